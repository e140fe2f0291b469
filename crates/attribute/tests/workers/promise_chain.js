const { run, payload } = require('./loop');
const $$gate = new Promise(() => {}); // HOLDER
let $$tail = $$gate;
run(async (i) => { const p = payload(i); if (!$$gate) return; $$tail = $$tail.then(() => p.id); });
