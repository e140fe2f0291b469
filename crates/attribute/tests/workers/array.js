const { run, payload } = require('./loop');
const $$parked = []; // HOLDER
function $$handle(i) { if (i % 2) $$parked.push(payload(i)); }
run(async (i) => $$handle(i));
