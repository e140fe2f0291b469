'use strict';
// Jobs are counted exactly, whatever way they are told and however they overlap.

const assert = require('node:assert');
const test = require('node:test');
const { watch, jobTotals } = require('./collector.cjs');

const pause = 'const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));';

const CASES = [
  {
    name: 'a flood of synchronous and asynchronous jobs that ends with process.exit',
    source: `(async () => {
      for (let i = 0; i < 30000; i++) plimsoll.job(i % 3 ? 'a' : 'b', { id: i }, () => i);
      for (let i = 0; i < 1000; i++) await plimsoll.job('c', null, async () => i);
      process.exit(3);
    })();`,
    code: 3,
    totals: { a: [20000, 0], b: [10000, 0], c: [1000, 0] },
  },
  {
    name: 'throws and rejections',
    source: `(async () => {
      for (let i = 0; i < 10; i++) {
        try { plimsoll.job('sync', {}, () => { if (i % 2) throw new Error('no'); }); } catch (error) { if (error.message !== 'no') process.exit(9); }
        await plimsoll.job('async', {}, async () => { if (i % 5 === 0) throw new Error('no'); }).catch((error) => { if (error.message !== 'no') process.exit(9); });
      }
    })();`,
    code: 0,
    totals: { sync: [10, 5], async: [10, 2] },
  },
  {
    name: 'nested jobs: the outermost counts, also with others in flight',
    source: `${pause}
    const inner = () => plimsoll.job('inner', {}, async () => { await pause(1); return 7; });
    const outer = () => plimsoll.job('outer', {}, async () => { const early = inner(); await pause(2); return (await inner()) + (await early); });
    const lane = async () => { for (let i = 0; i < 10; i++) { if ((await outer()) !== 14) process.exit(9); await plimsoll.job('other', {}, () => pause(1)); } };
    Promise.all([lane(), lane(), lane(), lane()]);`,
    code: 0,
    totals: { outer: [40, 0], other: [40, 0] },
  },
  {
    name: 'work left behind by a job starts jobs of its own',
    source: `${pause}
    (async () => {
      for (let i = 0; i < 5; i++) await plimsoll.job('enqueue', {}, async () => { setTimeout(() => plimsoll.job('later', {}, () => 1), 5); });
      await pause(30);
    })();`,
    code: 0,
    totals: { enqueue: [5, 0], later: [5, 0] },
  },
  {
    name: 'what fn returns is returned, falsy values and thenables too',
    source: `(async () => {
      const values = [undefined, null, 0, '', 'x', { a: 1 }];
      for (const value of values) if (plimsoll.job('sync', {}, () => value) !== value) process.exit(9);
      for (const value of values) if ((await plimsoll.job('async', {}, () => Promise.resolve(value))) !== value) process.exit(9);
      if ((await plimsoll.job('async', {}, () => ({ then(done) { done(5); return Promise.resolve(5); } }))) !== 5) process.exit(9);
    })();`,
    code: 0,
    totals: { sync: [6, 0], async: [7, 0] },
  },
  {
    name: 'a tracing channel',
    source: `const channel = require('node:diagnostics_channel').tracingChannel('plimsoll.job');
    (async () => {
      for (let i = 0; i < 10; i++) {
        channel.traceSync(() => i, { class: 'sync', id: i });
        try { channel.traceSync(() => { throw new Error('no'); }, { class: 'throws' }); } catch {}
        await channel.tracePromise(async () => i, { class: 'promise', payloadBytes: 10 });
        await channel.tracePromise(async () => { throw new Error('no'); }, { class: 'rejects' }).catch(() => {});
        await new Promise((resolve) => channel.traceCallback((done) => setImmediate(done, null, i), 0, { class: 'callback' }, null, resolve));
      }
    })();`,
    code: 0,
    totals: { sync: [10, 0], throws: [10, 10], promise: [10, 0], rejects: [10, 10], callback: [10, 0] },
  },
  {
    name: 'classes without bound are kept bounded',
    source: `for (let i = 0; i < 1000; i++) plimsoll.job('class ' + i, {}, () => i);`,
    code: 0,
    sum: 1000,
  },
  {
    name: 'odd names and meta',
    source: `plimsoll.job(undefined, undefined, () => 1); plimsoll.job(12, 'x', () => 1); plimsoll.job(Symbol('s'), { id: 10n, enqueuedAt: 'never', payloadBytes: 'many' }, () => 1);
      plimsoll.job('k'.repeat(5000), { id: Symbol('x'), get attempt() { return 'first'; } }, () => 1);`,
    code: 0,
    sum: 4,
  },
];

for (const { name, source, code, totals, sum } of CASES) {
  test(name, () => watch({ source }, (collector, outcome) => {
    assert.deepStrictEqual([outcome.code, outcome.stderr], [code, '']);
    assert.deepStrictEqual(collector.records('failed'), []);
    const found = jobTotals(collector);
    if (totals !== undefined) assert.deepStrictEqual(brief(found), totals);
    if (sum !== undefined) assert.strictEqual(Object.values(found).reduce((total, { done }) => total + done, 0), sum);
    assert.strictEqual(collector.records('bye').length, 1);
  }));
}

test('details of a job', () => watch({
  source: `plimsoll.job('mail', { id: 42, payloadBytes: 100, tenant: 't', attempt: 2, queue: 'q', enqueuedAt: new Date(Date.now() - 5000), traceparent: '00-a' },
    () => new Promise((resolve) => setTimeout(() => resolve(Buffer.alloc(10)), 20)));`,
}, (collector) => {
  const [job] = collector.records('job');
  const { class: name, id, payload_bytes, tenant, attempt, queue, traceparent, outcome } = job;
  assert.deepStrictEqual({ name, id, payload_bytes, tenant, attempt, queue, traceparent, outcome },
    { name: 'mail', id: '42', payload_bytes: 100, tenant: 't', attempt: 2, queue: 'q', traceparent: '00-a', outcome: 'completed' });
  assert.ok(job.ended_at - job.started_at >= 0.019 && job.started_at - job.enqueued_at >= 5 && job.started_at - job.enqueued_at < 6);
  const counts = collector.records('jobs').at(-1).classes.mail;
  assert.deepStrictEqual([counts.payload_bytes, counts.payload_jobs, counts.wait_jobs], [100, 1, 1]);
  assert.deepStrictEqual(Object.values(counts.durations), [1]);
}));

test('memory of a job that runs alone: allocated over collections, peak of a long call', () => watch({
  source: `let kept = 0;
    function build() { for (let i = 0; i < 40; i++) { const rows = []; for (let k = 0; k < 20000; k++) rows.push({ k, text: 'row ' + k }); kept += rows.length; } }
    function hold() { const rows = []; for (let k = 0; k < 400000; k++) rows.push({ k, i: k }); kept += rows.length; return rows.length; }
    (async () => { for (let i = 0; i < 3; i++) { plimsoll.job('garbage', {}, build); await new Promise((r) => setTimeout(r, 30)); plimsoll.job('peak', {}, hold); await new Promise((r) => setTimeout(r, 30)); } })();`,
}, (collector) => {
  const of = (name) => collector.records('job').filter((job) => job.class === name);
  assert.ok(of('garbage').length > 0 && of('peak').length > 0);
  // 800,000 rows of an object (32 B or more), its text and a slot: between 30 and 200 MB.
  for (const job of of('garbage')) assert.ok(job.allocated_bytes > 30e6 && job.allocated_bytes < 200e6, `${job.allocated_bytes}`);
  for (const job of of('peak')) assert.ok(job.peak_bytes > 10e6 && job.peak_bytes < 80e6, `${job.peak_bytes}`);
}));

function brief(totals) {
  return Object.fromEntries(Object.entries(totals).map(([name, { done, failed }]) => [name, [done, failed]]));
}
