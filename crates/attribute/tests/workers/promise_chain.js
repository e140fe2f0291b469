const { run, payload } = require('./loop');
let $$tail = new Promise(() => {}); // HOLDER
run(async (i) => { const p = payload(i); $$tail = $$tail.then(() => p.id); });
