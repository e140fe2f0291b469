const { AsyncLocalStorage } = require('node:async_hooks');
const { run, payload } = require('./loop');
const $$als = new AsyncLocalStorage(); // HOLDER
run(async (i) => { await $$als.run({ $$job: payload(i), parent: $$als.getStore() }, async () => { setInterval(() => {}, 100000).unref(); }); });
