const { run } = require('./loop');
const $$frames = []; // HOLDER
run(async (i) => { $$frames.push(new ArrayBuffer(30000)); });
