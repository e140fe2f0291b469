const fs = require('node:fs/promises');
const { run } = require('./loop');
const $$opened = []; // HOLDER
run(async () => { $$opened.push(await fs.open(__filename)); });
