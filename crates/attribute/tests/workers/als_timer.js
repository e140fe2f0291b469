const { AsyncLocalStorage } = require('node:async_hooks');
const { run, payload } = require('./loop');
const $$als = new AsyncLocalStorage();
run(async (i) => { await $$als.run({ $$job: payload(i) }, async () => { setInterval(() => {}, 100000).unref(); }); }); // HOLDER
