const { run, payload } = require('./loop');
const $$cache = new Map();
run(async (i) => { $$cache.set(i, payload(i)); if ($$cache.size > 90) $$cache.delete($$cache.keys().next().value); });
