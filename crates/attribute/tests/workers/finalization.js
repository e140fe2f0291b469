const { run, payload } = require('./loop');
const $$registry = new FinalizationRegistry(() => {}); // HOLDER
const anchor = {};
run(async (i) => { $$registry.register(anchor, payload(i)); });
