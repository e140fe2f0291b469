// Writes a heap snapshot that is mostly strings: `node strings.js COUNT FILE`.
'use strict';
const [, , count, file] = process.argv;
globalThis.kept = [];
for (let i = 0; i < Number(count); i++) {
  const text = (i + '-').repeat(1100 / (String(i).length + 1)).slice(0, 1000);
  // Flat, as strings that were read from a network are.
  kept.push(Buffer.from(text, 'latin1').toString('latin1'));
}
require('node:v8').writeHeapSnapshot(file);
