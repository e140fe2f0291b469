const { Worker, isMainThread } = require('node:worker_threads');
const { run, payload } = require('./loop');
if (isMainThread) { new Worker(__filename).on('exit', () => process.exit()); } else {
  const $$parked = []; // HOLDER
  run(async (i) => { $$parked.push(payload(i)); });
}
