const { run, payload } = require('./loop');
const { EventEmitter, on } = require('node:events');
const $$source = new EventEmitter();
const $$feed = on($$source, 'row'); // HOLDER
run(async (i) => { $$source.emit('row', payload(i)); });
