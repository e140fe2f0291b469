// Writes heap snapshots of a worker-like heap as it grows: `node dump.js JOBS FILE [JOBS FILE …]`.
// A job is some twelve objects: a record with nested objects, a map, a closure; some wait in a map,
// some are listeners, some are promises that never settle.
'use strict';
const { EventEmitter } = require('node:events');
const { writeHeapSnapshot } = require('node:v8');

class Address {
  constructor(i) {
    this.street = 'street ' + (i % 1000);
    this.zip = i;
  }
}

class Job {
  constructor(i) {
    this.id = 'job-' + (i % 50021);
    this.at = i * 1.5;
    this.address = new Address(i);
    this.items = [{ sku: i % 97, count: 1 }, { sku: i % 31, count: 2 }];
    this.tags = new Map([[i % 7, 'a'], ['k', i]]);
    this.done = () => this.id + i;
  }
}

const kept = [];
const waiting = new Map();
const bus = new EventEmitter();
bus.setMaxListeners(0);
globalThis.benchmark = { kept, waiting, bus };

function work(i) {
  const job = new Job(i);
  kept.push(job);
  if (i % 3 === 0) waiting.set(job.id + ':' + i, job);
  if (i % 10 === 0) bus.on('drain', job.done);
  if (i % 5 === 0) {
    const never = new Promise(() => {});
    never.then(job.done);
    waiting.set(i, never);
  }
}

let done = 0;
for (let at = 2; at + 1 < process.argv.length; at += 2) {
  for (; done < Number(process.argv[at]); done++) work(done);
  writeHeapSnapshot(process.argv[at + 1]);
}
