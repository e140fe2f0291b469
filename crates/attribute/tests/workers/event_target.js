const { run, payload } = require('./loop');
const $$hub = new EventTarget(); // HOLDER
require('node:events').setMaxListeners(0, $$hub);
run(async (i) => { const p = payload(i); $$hub.addEventListener('$$flush', () => p.id); });
