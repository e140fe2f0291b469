const { AsyncLocalStorage } = require('node:async_hooks');
const { run, payload } = require('./loop');
const $$context = new AsyncLocalStorage();
run(async (i) => { $$context.enterWith({ $$job: payload(i), parent: $$context.getStore() }); });
