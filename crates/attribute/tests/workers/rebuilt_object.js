const { run, payload } = require('./loop');
const store = { $$byId: {}, version: 0 }; // HOLDER
run(async (i) => { store.$$byId = { ...store.$$byId, ['order-' + i]: payload(i) }; store.version += 1; });
