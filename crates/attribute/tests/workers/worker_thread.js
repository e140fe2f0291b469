const { Worker, isMainThread } = require('node:worker_threads');
const { run, payload } = require('./loop');
if (isMainThread) { new Worker(__filename); setInterval(() => {}, 1000); } else {
  const $$parked = []; // HOLDER
  run(async (i) => { $$parked.push(payload(i)); });
}
