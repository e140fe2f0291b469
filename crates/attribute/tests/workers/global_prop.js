const { run, payload } = require('./loop');
globalThis.$$trail = []; // HOLDER
run(async (i) => $$trail.push(payload(i)));
