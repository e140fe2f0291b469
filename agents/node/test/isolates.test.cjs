'use strict';
// Every isolate of a worker is watched: threads, children, cluster members, and a process attached late.

const assert = require('node:assert');
const path = require('node:path');
const test = require('node:test');
const { Collector, jobTotals, runNode, script, watch } = require('./collector.cjs');

const AGENT = JSON.stringify(path.join(__dirname, '..', 'agent.cjs'));

test('jobs and a leak in a worker thread that runs its own jobs', () => watch({
  files: { 'thread.cjs': `const kept = []; (async () => { for (let i = 0; i < 500; i++) { await plimsoll.job('thread', {}, async () => kept.push(new Array(1000).fill(i))); await new Promise((r) => setTimeout(r, 1)); } })();` },
  source: `const { Worker } = require('worker_threads'); new Worker(__dirname + '/thread.cjs'); for (let i = 0; i < 5; i++) plimsoll.job('main', {}, () => i);`,
  config: { capture: 'auto' },
}, (collector) => {
  assert.deepStrictEqual(collector.records('hello').map(({ thread }) => thread).sort(), [0, 1]);
  const { thread, main } = jobTotals(collector);
  assert.deepStrictEqual([thread.done, main.done], [500, 5]);
  const records = collector.connections.find((connection) => connection.records[0].thread === 1).records;
  const evidence = records.filter(({ type }) => type === 'evidence');
  assert.ok(evidence.length >= 3);
  assert.deepStrictEqual(records.filter(({ type }) => type === 'floor').at(-1).jobs, { main: 5, thread: 500 });
}));

test('a leak in a thread whose jobs are told by the main thread', () => watch({
  files: { 'thread.mjs': `import { parentPort } from 'node:worker_threads'; const kept = []; parentPort.on('message', (i) => { kept.push(new Array(1000).fill(i)); parentPort.postMessage(i); });` },
  file: 'worker.mjs',
  source: `import { Worker } from 'node:worker_threads'; const thread = new Worker(new URL('./thread.mjs', import.meta.url));
    const call = (i) => new Promise((resolve) => { thread.once('message', resolve); thread.postMessage(i); });
    for (let i = 0; i < 800; i++) { await plimsoll.job('a', {}, () => call(i)); await new Promise((r) => setTimeout(r, 2)); } process.exit(0);`,
  config: { capture: 'auto', hold_job_starts: true },
}, (collector) => {
  const records = collector.connections.find((connection) => connection.records[0].thread === 1).records;
  const evidence = records.filter(({ type }) => type === 'evidence');
  assert.ok(evidence.length >= 3, `${evidence.length}`);
  assert.strictEqual(evidence.at(-1).jobs, 800);
  const floors = records.filter(({ type }) => type === 'floor');
  assert.ok(floors.length >= 3 && floors.every(({ jobs }) => Number.isInteger(jobs.a)));
}));

test('threads that come and go free their places', () => watch({
  source: `const { Worker } = require('worker_threads'); (async () => { for (let i = 0; i < 12; i++) { const w = new Worker('plimsoll.job("t", {}, () => 1); plimsoll.job("stuck", {}, () => new Promise(() => {})); setInterval(() => {}, 1000); require("worker_threads").parentPort.postMessage(1);', { eval: true });
    await new Promise((r) => w.once('message', r)); await new Promise((r) => setTimeout(r, 300)); await w.terminate(); } plimsoll.job('main', {}, () => 1); })();`,
}, (collector) => {
  assert.strictEqual(collector.records('hello').length, 13);
  assert.strictEqual(collector.records('floor').filter(({ jobs }) => jobs.main === 1).at(-1).in_flight, 0);
  assert.deepStrictEqual(jobTotals(collector).t.done, 12);
}));

test('cluster members and children', () => watch({
  source: `const cluster = require('cluster');
    if (cluster.isPrimary) { require('child_process').fork(__dirname + '/child.cjs'); for (let i = 0; i < 2; i++) cluster.fork(); }
    else { for (let i = 0; i < 10; i++) plimsoll.job('member', {}, () => i); process.disconnect(); }`,
  files: { 'child.cjs': `for (let i = 0; i < 7; i++) plimsoll.job('child', {}, () => i);` },
}, (collector) => {
  assert.strictEqual(new Set(collector.records('hello').map(({ pid }) => pid)).size, 4);
  const { member, child } = jobTotals(collector);
  assert.deepStrictEqual([member.done, child.done], [20, 7]);
}));

test('a process that runs no jobs takes floors by the clock', () => watch({
  source: `setTimeout(() => {}, 3500);`,
}, (collector) => {
  assert.ok(collector.records('floor').length >= 2);
}));

test('loaded late into a process that already has job workers', async () => {
  const collector = await Collector.open();
  try {
    const source = `const { EventEmitter } = require('events');
      class Xy extends EventEmitter { callProcessJob(job) { return this.fn(job); } async processJob(job) { return this.callProcessJob(job); } nextJobFromJobData() {} async close() {} }
      const worker = new Xy(); worker.name = 'mail'; worker.fn = async (job) => job.id;
      globalThis.__plimsoll_agent_config = JSON.parse(process.env.LATE); require(${AGENT});
      (async () => { for (let i = 0; i < 5; i++) await worker.processJob({ id: i, name: 'email', data: {}, timestamp: Date.now(), attemptsMade: i }); })();`;
    const config = JSON.parse(collector.environment().PLIMSOLL_AGENT);
    const outcome = await runNode([script(collector, 'worker.cjs', source)], { ...process.env, LATE: JSON.stringify(config) });
    await collector.until(() => collector.connections.every(({ closed }) => closed));
    assert.deepStrictEqual([outcome.code, outcome.stderr, collector.records('failed')], [0, '', []]);
    assert.strictEqual(collector.records('hello')[0].attached, true);
    assert.strictEqual(jobTotals(collector).email.done, 5);
  } finally {
    collector.close();
  }
});
