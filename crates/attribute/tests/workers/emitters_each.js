const { run, payload } = require('./loop');
const { EventEmitter } = require('node:events');
class Shard extends EventEmitter {}
const $$shards = Array.from({ length: 16 }, () => new Shard()); // HOLDER
run(async (i) => { const p = payload(i); $$shards[i % 16].setMaxListeners(0).on('$$rebalance', () => p.id); });
