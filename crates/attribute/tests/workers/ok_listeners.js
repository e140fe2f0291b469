const { run, payload } = require('./loop');
const { EventEmitter } = require('node:events');
const bus = new EventEmitter();
run(async (i) => { const p = payload(i); const f = () => p.id; bus.on('drain', f); await null; bus.off('drain', f); });
