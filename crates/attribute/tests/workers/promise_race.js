const { run, payload } = require('./loop');
const $$stopped = new Promise((resolve) => process.once('SIGUSR2', resolve)); // HOLDER
run(async (i) => { const p = payload(i); await Promise.race([$$stopped, Promise.resolve(p)]); });
