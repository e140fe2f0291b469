'use strict';
// BullMQ, Bull and Bee-Queue on a real Redis, in unchanged workers: classes, attempts, failures, waits, payloads.

const assert = require('node:assert');
const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const test = require('node:test');
const { watch, jobTotals } = require('./collector.cjs');
const { estimateBytes } = require('../lib/libraries.cjs');

const PACKAGES = path.join(__dirname, 'packages', 'node_modules');
const JOBS = 200;
const FAILING = 20;

const PAUSE = 'const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));';
const TEXT = "'x'.repeat(500)";
/** Every tenth job fails at its first attempt. */
const BODY = `await pause(3); if (job.data.i % 10 === 0 && first) throw new Error('boom'); return 1;`;

const bullMq = (load) => `${load} ${PAUSE}
  const connection = { host: '127.0.0.1', port: Number(process.env.REDIS_PORT), maxRetriesPerRequest: null };
  const queue = new Queue('mail', { connection }); let done = 0;
  queue.addBulk(Array.from({ length: ${JOBS} }, (_, i) => ({ name: i % 4 ? 'email' : 'pdf', data: { i, text: ${TEXT} }, opts: { attempts: 3 } }))).then(() => {
    const worker = new Worker('mail', async (job) => { const first = job.attemptsMade === 0; ${BODY} }, { connection, concurrency: 8 });
    worker.on('completed', async () => { if (++done === ${JOBS}) { await worker.close(); await queue.close(); console.log('end'); } });
  });`;

const WORKERS = {
  'BullMQ, CommonJS': { file: 'worker.cjs', source: bullMq(`const { Worker, Queue } = require('bullmq');`), classes: { email: [150 + 10, 10], pdf: [50 + 10, 10] }, payloadBytes: 516 },
  'BullMQ, ES module': { file: 'worker.mjs', source: bullMq(`import { Worker, Queue } from 'bullmq';`), classes: { email: [150 + 10, 10], pdf: [50 + 10, 10] }, payloadBytes: 516 },
  Bull: {
    file: 'worker.cjs',
    source: `${PAUSE} const Queue = require('bull'); const queue = new Queue('mail', { redis: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) } }); let done = 0;
      queue.on('completed', async () => { if (++done === ${JOBS}) { await queue.close(); console.log('end'); } });
      queue.addBulk(Array.from({ length: ${JOBS} }, (_, i) => ({ data: { i, text: ${TEXT} }, opts: { attempts: 3 } }))).then(() => queue.process(8, async (job) => { const first = job.attemptsMade === 0; ${BODY} }));`,
    classes: { mail: [JOBS + FAILING, FAILING] },
    payloadBytes: 516,
  },
  'Bee-Queue': {
    file: 'worker.cjs',
    source: `${PAUSE} const Queue = require('bee-queue'); const queue = new Queue('mail', { redis: { host: '127.0.0.1', port: Number(process.env.REDIS_PORT) } }); let done = 0;
      queue.on('succeeded', async () => { if (++done === ${JOBS}) { await queue.close(); console.log('end'); } });
      (async () => { for (let i = 0; i < ${JOBS}; i++) await queue.createJob({ i, text: ${TEXT} }).retries(2).save(); queue.process(8, async (job) => { const first = job.options.retries === 2; ${BODY} }); })();`,
    classes: { mail: [JOBS + FAILING, FAILING] },
    // Its text holds options and the stacks of failures too.
    payloadBytes: [500, 2000],
  },
};

const missing = missingPieces();

for (const [name, { file, source, classes, payloadBytes }] of Object.entries(WORKERS)) {
  test(name, { skip: missing }, () => withRedis((port) => watch({
    file,
    source,
    env: { REDIS_PORT: String(port) },
    packages: PACKAGES,
    config: { hold_job_starts: true, capture: 'auto' },
  }, (collector, outcome) => {
    assert.deepStrictEqual([outcome.stdout, outcome.code, collector.records('failed')], ['end\n', 0, []], outcome.stderr);
    const totals = jobTotals(collector);
    assert.deepStrictEqual(Object.fromEntries(Object.entries(totals).map(([of, { done, failed }]) => [of, [done, failed]])), classes);
    checkPayloads(collector.records('jobs').at(-1).classes, payloadBytes);
    checkDetails(collector.records('job'));
    assert.ok(collector.records('floor').filter(({ in_flight }) => in_flight === 0).length >= 3);
  })));
}

test('BullMQ: at the job limit the worker is closed by its own means', { skip: missing }, () => withRedis((port) => watch({
  file: 'worker.cjs',
  source: `const { Worker, Queue } = require('bullmq'); const connection = { host: '127.0.0.1', port: ${port}, maxRetriesPerRequest: null }; const queue = new Queue('mail', { connection });
    queue.addBulk(Array.from({ length: 300 }, (_, i) => ({ name: 'email', data: { i } }))).then(() => { const worker = new Worker('mail', () => new Promise((r) => setTimeout(r, 3)), { connection, concurrency: 8 }); worker.on('closed', () => queue.close()); });`,
  packages: PACKAGES,
  config: { jobs: 100, capture: 'auto' },
}, (collector, outcome) => {
  assert.deepStrictEqual([outcome.code, outcome.stderr], [0, '']);
  assert.strictEqual(jobTotals(collector).email.done, 100);
  assert.deepStrictEqual([collector.records('reached')[0].closing, collector.records('closed').length], [true, 1]);
})));

test('the size of a payload is estimated within bounds', () => {
  assert.strictEqual(estimateBytes({ a: 'xyz', b: [1, 2] }), 2 + 5 + 5 + 5 + 2 + 2 + 12);
  assert.strictEqual(estimateBytes(Array.from({ length: 5000 }, () => 1)), undefined);
  const circular = {};
  circular.self = circular;
  assert.strictEqual(estimateBytes(circular), undefined);
});

function checkPayloads(classes, expected) {
  for (const { payload_bytes, payload_jobs, wait_seconds, wait_jobs, done } of Object.values(classes)) {
    const mean = payload_bytes / payload_jobs;
    const [low, high] = Array.isArray(expected) ? expected : [expected - 3, expected + 3];
    assert.ok(mean >= low && mean <= high, `${mean}`);
    assert.ok(payload_jobs === done && wait_jobs === done && wait_seconds > 0 && wait_seconds / wait_jobs < 60);
  }
}

function checkDetails(jobs) {
  assert.ok(jobs.length > 0);
  for (const job of jobs) {
    assert.ok(job.queue === 'mail' && job.id !== null && [1, 2].includes(job.attempt) && job.enqueued_at <= job.started_at + 0.01);
    assert.ok(job.outcome === 'completed' || job.attempt === 1);
  }
}

function missingPieces() {
  if (spawnSync('redis-server', ['--version']).status !== 0) return 'redis-server is not installed: apt-get install redis-server';
  return fs.existsSync(path.join(PACKAGES, 'bullmq')) ? false : 'npm packages are missing: npm install --prefix agents/node/test/packages';
}

async function withRedis(use) {
  const port = await freePort();
  const redis = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'], { stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await new Promise((resolve, reject) => {
      redis.on('exit', () => reject(new Error('redis-server ended')));
      redis.stdout.on('data', (text) => String(text).includes('Ready to accept connections') && resolve());
    });
    await use(port);
  } finally {
    redis.removeAllListeners('exit');
    redis.kill();
  }
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
