const { run, payload } = require('./loop');
run(async (i) => JSON.stringify(payload(i)).length);
