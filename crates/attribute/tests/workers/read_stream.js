const fs = require('node:fs');
const { run } = require('./loop');
run((i) => new Promise((resolve) => {
  const $$input = fs.createReadStream(__filename, { start: 0, highWaterMark: 16 }); // HOLDER
  $$input.once('readable', () => { $$input.read(4); resolve(); });
}));
