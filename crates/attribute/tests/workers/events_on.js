const { run, payload } = require('./loop');
const { EventEmitter, on } = require('node:events');
const $$source = new EventEmitter(); // HOLDER
const $$feed = on($$source, 'row');
run(async (i) => { $$source.emit('row', payload(i)); });
