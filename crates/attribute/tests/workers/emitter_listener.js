const { run, payload } = require('./loop');
const { EventEmitter } = require('node:events');
const $$bus = new EventEmitter(); // HOLDER
$$bus.setMaxListeners(0);
run(async (i) => { const p = payload(i); $$bus.on('$$drain', () => p.id); });
