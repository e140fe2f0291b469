const { run, payload } = require('./loop');
const $$seen = {}; // HOLDER
run(async (i) => { $$seen['order-' + i] = payload(i); });
