const { run, payload } = require('./loop');
exports.$$history = []; // HOLDER
run(async (i) => exports.$$history.push(payload(i)));
