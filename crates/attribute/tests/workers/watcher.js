const fs = require('node:fs');
const { run, payload } = require('./loop');
run(async (i) => { const p = payload(i); fs.watchFile(__filename + i, { interval: 100000, persistent: false }, () => p.id); }); // HOLDER
