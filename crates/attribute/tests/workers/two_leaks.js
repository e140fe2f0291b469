const { run, payload } = require('./loop');
const $$audit = []; // HOLDER
const $$index = new Map(); // HOLDER2
run(async (i) => { if (i % 2) $$audit.push(payload(i, 40)); else $$index.set(i, payload(i)); });
