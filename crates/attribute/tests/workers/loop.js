'use strict';
// The loop of the test workers: runs jobs one after the other and dumps the heap at three job counts.
// JOBS jobs, dumps into DUMP_DIR at DUMP_AT (comma-separated). Names that start with `$$` are renamed by the test.
const v8 = require('node:v8');
const path = require('node:path');
const { setFlagsFromString } = v8;
setFlagsFromString('--expose-gc');
const collect = require('node:vm').runInNewContext('gc');

const jobs = Number(process.env.JOBS || 400);
const points = (process.env.DUMP_AT || '').split(',').filter(Boolean).map(Number);

exports.run = async function run(handler) {
  for (let i = 0; i < jobs; i++) {
    try { await handler(i); } catch { /* a failed job is part of life */ }
    await new Promise((resolve) => setImmediate(resolve));
    if (points.includes(i + 1)) {
      await new Promise((resolve) => setImmediate(resolve));
      collect();
      v8.writeHeapSnapshot(path.join(process.env.DUMP_DIR, `${i + 1}.heapsnapshot`));
    }
  }
  process.exit(0);
};
exports.payload = (i, n = 20) => ({ id: i, lines: Array.from({ length: n }, (_, k) => `line ${i}/${k}`) });
