const { run, payload } = require('./loop');
const $$shutdown = new AbortController(); // HOLDER
require('node:events').setMaxListeners(0, $$shutdown.signal);
run(async (i) => { const p = payload(i); $$shutdown.signal.addEventListener('abort', () => p.id, { once: true }); });
