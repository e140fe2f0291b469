'use strict';
// Floors, evidence, profiles and peaks: taken at the right moments, and what they say is true.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { watch } = require('./collector.cjs');
const { closest, plannedCounts } = require('../lib/capture.cjs');

const PAUSE = 'const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));';
const LEAK_BYTES = 4000;
const LEAKY = `${PAUSE} const kept = []; const leak = () => kept.push(new Array(${LEAK_BYTES / 8}).fill(0));`;

const total = (record) => Object.values(record.jobs).reduce((sum, count) => sum + count, 0);

test('floors between sequential jobs grow as the leak does', () => watch({
  source: `${LEAKY} (async () => { for (let i = 0; i < 2000; i++) { await plimsoll.job('a', {}, async () => leak()); if (i % 20 === 0) await pause(5); } })();`,
}, (collector) => {
  const floors = collector.records('floor');
  assert.ok(floors.length >= 8, `${floors.length}`);
  assert.ok(floors.every((floor) => floor.in_flight === 0));
  assert.strictEqual(total(floors[0]), 0);
  assert.strictEqual(total(floors.at(-1)), 2000);
  assert.ok(Math.abs(slope(floors.slice(2)) / LEAK_BYTES - 1) < 0.05, `${slope(floors)}`);
}));

test('buffers given back by a lagging sweeper are not in a floor', () => watch({
  source: `${PAUSE} (async () => { for (let i = 0; i < 300; i++) { await plimsoll.job('a', {}, async () => { Buffer.alloc(1 << 20).fill(1); }); await pause(1); } })();`,
}, (collector) => {
  for (const floor of collector.records('floor')) assert.ok(floor.array_buffers_bytes < 1 << 20, `${floor.array_buffers_bytes}`);
}));

test('where jobs overlap, starts are held until none is in flight', () => watch({
  source: `${LEAKY} const lane = async () => { for (let i = 0; i < 150; i++) await plimsoll.job('a', {}, async () => { await pause(2 + Math.random() * 4); leak(); }); };
    Promise.all(Array.from({ length: 8 }, lane));`,
  config: { hold_job_starts: true },
}, (collector, outcome) => {
  assert.strictEqual(outcome.code, 0);
  const quiet = collector.records('floor').filter((floor) => floor.in_flight === 0 && !floor.final);
  assert.ok(quiet.length >= 4, `${quiet.length}`);
  assert.ok(Math.abs(slope(quiet.filter((floor) => total(floor) > 100)) / LEAK_BYTES - 1) < 0.1, `${slope(quiet)}`);
}));

test('a job that waits for a held job is not held up for long', () => watch({
  source: `${PAUSE} const queue = []; (async () => { for (;;) { const next = queue.shift(); if (next) next(await plimsoll.job('consumer', {}, () => pause(1))); else await pause(1); } })();
    const produce = () => plimsoll.job('producer', {}, async () => { await new Promise((resolve) => queue.push(resolve)); });
    (async () => { for (let i = 0; i < 60; i++) await Promise.all([produce(), produce()]); console.log('end'); process.exit(0); })();`,
  config: { hold_job_starts: true },
}, (collector, outcome) => {
  assert.strictEqual(outcome.stdout, 'end\n');
}));

test('without holding, overlapping jobs get floors that say how many were in flight', () => watch({
  source: `${PAUSE} const lane = async () => { for (let i = 0; i < 400; i++) await plimsoll.job('a', {}, () => pause(5)); }; Promise.all(Array.from({ length: 4 }, lane));`,
}, (collector) => {
  const busy = collector.records('floor').filter((floor) => floor.in_flight > 0);
  assert.ok(busy.length > 0 && busy.every((floor) => floor.in_flight <= 4));
}));

test('evidence at growing counts and on the way out, readable by nobody else, with a profile', () => watch({
  source: `${LEAKY} (async () => { for (let i = 0; i < 600; i++) { await plimsoll.job('a', {}, async () => leak()); await pause(1); } process.exit(0); })();`,
  config: { capture: 'auto', profile_interval_bytes: 4096 },
}, (collector) => {
  const evidence = collector.records('evidence');
  assert.ok(evidence.length >= 3, `${evidence.length}`);
  assert.deepStrictEqual([evidence.at(-1).reason, evidence.at(-1).jobs, evidence.at(-1).in_flight], ['exit', 600, 0]);
  const dropped = new Set(collector.records('evidence-dropped').map(({ file }) => file));
  for (const { file, bytes } of evidence) if (!dropped.has(file)) checkFile(path.join(collector.evidence, file), bytes);
  const kept = evidence.filter(({ file }) => !dropped.has(file)).map(({ file }) => idsIn(path.join(collector.evidence, file)));
  for (let at = 1; at < kept.length; at += 1) assert.ok(shareKept(kept[at - 1], kept[at]) > 0.8, `dump ${at} knows the objects of the one before`);
  const [stack] = collector.records('profile').at(-1).stacks;
  assert.match(stack.frames.join(' '), /leak .*worker\.cjs:1:/);
  assert.doesNotMatch(JSON.stringify(collector.records('profile')), /agents\/node/);
}));

test('evidence at chosen counts', () => watch({
  source: `for (let i = 0; i < 50; i++) plimsoll.job('a', {}, () => i);`,
  config: { capture: [10, 30] },
}, (collector) => {
  assert.deepStrictEqual(collector.records('evidence').map(({ jobs, reason }) => [jobs, reason]), [[10, 'scheduled'], [30, 'scheduled'], [50, 'exit']]);
}));

test('no evidence where none is wanted, no floors where they are off', () => watch({
  source: `for (let i = 0; i < 50; i++) plimsoll.job('a', {}, () => i);`,
  config: { capture: 'never', floors: false },
}, (collector) => {
  assert.deepStrictEqual([collector.records('evidence').length, collector.records('floor').length, fs.readdirSync(collector.evidence).length], [0, 0, 0]);
}));

test('evidence that cannot be written is skipped and said', () => watch({
  source: `for (let i = 0; i < 50; i++) plimsoll.job('a', {}, () => i);`,
  config: { capture: 'auto', evidence_dir: '/nowhere/at/all' },
}, (collector, outcome) => {
  assert.strictEqual(outcome.code, 0);
  assert.match(collector.records('evidence-skipped')[0].reason, /cannot write/);
}));

test('a job limit: exact count, last reading, then the word', () => watch({
  source: `${PAUSE} const lane = async () => { for (;;) { await plimsoll.job('a', {}, () => pause(1 + Math.random())); } }; for (let i = 0; i < 4; i++) lane(); setInterval(() => {}, 1000);`,
  config: { capture: 'auto', jobs: 200, hold_job_starts: true },
  onSpawn: (child, collector) => collector.until(() => collector.records('reached').length > 0).then(() => child.kill('SIGTERM')),
}, (collector, outcome) => {
  assert.strictEqual(outcome.signal, 'SIGTERM');
  assert.deepStrictEqual(collector.records('reached').map(({ jobs, closing }) => [jobs, closing]), [[200, false]]);
  assert.strictEqual(collector.records('jobs').at(-1).classes.a.done, 200);
  const evidence = collector.records('evidence');
  assert.deepStrictEqual([evidence.at(-1).jobs, evidence.at(-1).in_flight], [200, 0]);
  assert.ok(evidence.length >= 3);
}));

test('a job limit in a worker that never yields', () => watch({
  source: `for (let i = 0; i < 500; i++) plimsoll.job('a', {}, () => i);`,
  config: { capture: 'auto', jobs: 300 },
}, (collector) => {
  assert.deepStrictEqual(collector.records('reached').map(({ jobs }) => jobs), [300]);
  assert.strictEqual(collector.records('jobs').at(-1).classes.a.done, 300);
}));

test('commands: a floor and evidence when asked', () => watch({
  source: `const t = setInterval(() => {}, 10); process.on('SIGUSR2', () => clearInterval(t)); console.log('ready');`,
  onSpawn: (child, collector) => {
    child.stdout.once('data', async () => {
      await collector.until(() => collector.connections.length > 0);
      collector.connections[0].socket.write('{"type":"floor"}\n{"type":"capture"}\n');
      await collector.until(() => collector.records('evidence').length > 0);
      child.kill('SIGUSR2');
    });
  },
}, (collector) => {
  assert.strictEqual(collector.records('evidence')[0].reason, 'asked');
  assert.ok(collector.records('floor').length > 0);
}));

test('a peak in one long call is caught in the act', () => watch({
  source: `${PAUSE} function buildRows(n) { const rows = []; for (let i = 0; i < n; i++) rows.push({ i, name: 'row ' + i, values: [i, i + 1, i + 2, i + 3] }); return rows; }
    (async () => { for (let i = 0; i < 30; i++) { plimsoll.job('report', { id: i, payloadBytes: 77 }, () => buildRows(i === 20 ? 1_200_000 : 10).length); await pause(20); } })();`,
  config: { profile_interval_bytes: 524288 },
}, (collector) => {
  const [spike] = collector.records('spike');
  assert.deepStrictEqual([spike.class, spike.id, spike.payload_bytes], ['report', '20', 77]);
  assert.ok(spike.peak_bytes > 64e6, `${spike.peak_bytes}`);
  assert.match(spike.stacks[0].frames[0], /^buildRows .*worker\.cjs:1:\d+$/);
}));

test('a worker that ends right after a peak says nothing of a debugger', async () => {
  for (let attempt = 0; attempt < 4; attempt += 1) await peakThenExit(150_000 * attempt);
});

function peakThenExit(extraRows) {
  return watch({
    source: `function buildRows(n) { const rows = []; for (let i = 0; i < n; i++) rows.push({ i, name: 'row ' + i, values: [i, i + 1, i + 2, i + 3] }); return rows; }
      setTimeout(() => { plimsoll.job('report', {}, () => buildRows(${900_000 + extraRows}).length); process.exit(0); }, 300); plimsoll.job('first', {}, () => 1);`,
    config: { profile_interval_bytes: 524288, floors: false },
  }, (collector, outcome) => {
    assert.deepStrictEqual([outcome.code, outcome.stderr], [0, '']);
    assert.strictEqual(collector.records('bye').length, 1);
  });
}

test('samples: census of crowded emitters, warnings, resources', () => watch({
  source: `const { EventEmitter } = require('events'); class Bus extends EventEmitter {} const bus = new Bus(); const controller = new AbortController();
    for (let i = 0; i < 20; i++) { bus.on('message', () => {}); controller.signal.addEventListener('abort', () => {}); }
    const timers = Array.from({ length: 5 }, () => setInterval(() => {}, 1000)); setTimeout(() => timers.forEach(clearInterval), 1500); globalThis.kept = controller;`,
}, (collector, outcome) => {
  const sample = collector.records('sample')[0];
  assert.deepStrictEqual(sample.listeners, [{ emitter: 'Bus', event: 'message', count: 20 }, { emitter: 'AbortSignal', event: 'abort', count: 20 }]);
  assert.strictEqual(sample.resources.Timeout, 6);
  const warning = collector.records('warning').find(({ emitter }) => emitter === 'Bus');
  assert.deepStrictEqual([warning.name, warning.event, warning.count], ['MaxListenersExceededWarning', 'message', 11]);
  assert.match(outcome.stderr, /MaxListenersExceededWarning/);
}));

test('scripts agree with the snapshot, inline source maps are kept', () => watch({
  source: `const kept = globalThis.kept = []; for (let i = 0; i < 20; i++) plimsoll.job('a', {}, () => { kept.push(function markedFunction() { return i; }); });\n//# sourceMappingURL=data:application/json;base64,e30=`,
  config: { capture: 'auto' },
}, (collector) => {
  const [script] = collector.records('scripts').flatMap(({ scripts }) => scripts).filter(({ url }) => url.endsWith('worker.cjs'));
  const map = path.join(collector.evidence, script.source_map_url.replace('evidence:', ''));
  assert.strictEqual(fs.readFileSync(map, 'utf8'), '{}');
  const snapshot = JSON.parse(fs.readFileSync(path.join(collector.evidence, collector.records('evidence').at(-1).file)));
  assert.ok(scriptsOf(snapshot, 'markedFunction').every((id) => id === script.id));
}));

test('kept evidence stays well spaced', () => {
  assert.strictEqual(closest([10, 90, 100, 1000].map((jobs) => ({ jobs }))), 1);
  assert.strictEqual(closest([10, 100, 900, 1000].map((jobs) => ({ jobs }))), 2);
  assert.deepStrictEqual(plannedCounts({ capture: 'auto', jobs: 1000 }, () => 3), [103, 553]);
  assert.deepStrictEqual(plannedCounts({ capture: [5, 9], jobs: null }), [5, 9]);
  assert.strictEqual(plannedCounts({ capture: 'auto', jobs: null }), null);
});

/** Bytes of live memory per job by least squares. */
function slope(floors) {
  const points = floors.map((floor) => [total(floor), floor.live_bytes + floor.external_bytes]);
  const mean = (index) => points.reduce((sum, point) => sum + point[index], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  return points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0) / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

/** Ids of all objects in a dump: what is the same object in two dumps has the same one. */
function idsIn(file) {
  const { snapshot, nodes } = JSON.parse(fs.readFileSync(file, 'utf8'));
  const fields = snapshot.meta.node_fields;
  const ids = new Set();
  for (let at = fields.indexOf('id'); at < nodes.length; at += fields.length) ids.add(nodes[at]);
  return ids;
}

function shareKept(before, after) {
  let kept = 0;
  for (const id of before) if (after.has(id)) kept += 1;
  return kept / before.size;
}

function checkFile(file, bytes) {
  const stat = fs.statSync(file);
  assert.deepStrictEqual([stat.mode & 0o777, stat.size], [0o600, bytes]);
}

function scriptsOf({ snapshot, nodes, locations, strings }, name) {
  const found = [];
  const width = snapshot.meta.location_fields.length;
  for (let at = 0; at < locations.length; at += width) {
    if (strings[nodes[locations[at] + 1]] === name) found.push(locations[at + 1]);
  }
  assert.ok(found.length > 0);
  return found;
}
