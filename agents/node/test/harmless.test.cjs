'use strict';
// A worker behaves the same with the agent and without it.

const assert = require('node:assert');
const test = require('node:test');
const { Collector, runNode, script, watch } = require('./collector.cjs');

const job = "const job = globalThis.plimsoll?.job ?? ((name, meta, fn) => fn());";

/** Each prints what it saw; output, exit code and signal must not depend on the agent. */
const SAME = {
  'uncaught exception': `${job} job('a', {}, () => 1); setTimeout(() => { throw new Error('boom'); }, 20);`,
  'uncaught exception in a job': `${job} setTimeout(() => job('a', {}, () => { throw new Error('boom'); }), 20);`,
  'unhandled rejection of a job': `${job} job('a', {}, async () => { throw new Error('boom'); });`,
  'rejection handled late': `${job} process.on('unhandledRejection', (reason) => console.log('unhandled', reason.message)); process.on('rejectionHandled', () => console.log('handled'));
    const p = job('a', {}, async () => { throw new Error('boom'); }); setTimeout(() => p.catch(() => console.log('caught')), 20);`,
  'uncaughtException handler': `${job} process.on('uncaughtException', (error, origin) => console.log(error.message, origin)); job('a', {}, () => { throw new Error('one'); });`,
  'exit code set': `${job} job('a', {}, () => 1); process.exitCode = 4;`,
  'process.exit in a job': `${job} job('a', {}, async () => { console.log('in'); process.exit(5); });`,
  'beforeExit runs once and sees no listener of ours': `${job} job('a', {}, () => 1); console.log(process.listenerCount('beforeExit')); process.on('beforeExit', () => console.log('beforeExit'));`,
  'the event loop ends by itself': `${job} job('a', {}, () => new Promise((resolve) => setTimeout(resolve, 30))).then(() => console.log('end'));`,
  'a promise never settled': `${job} job('a', {}, () => new Promise(() => {})); console.log('end');`,
  'top-level await never settled': { file: 'worker.mjs', source: `${job} await job('a', {}, () => new Promise(() => {}));` },
  'an ES module': { file: 'worker.mjs', source: `import { setTimeout as pause } from 'node:timers/promises'; ${job} for (let i = 0; i < 5; i++) await job('a', {}, () => pause(2)); console.log('end', import.meta.url.length > 0);` },
  'MaxListenersExceededWarning is printed once': `const e = new (require('events'))(); for (let i = 0; i < 12; i++) e.on('x', () => {}); process.emitWarning('mine');`,
  'warnings turned off by the worker': `process.removeAllListeners('warning'); process.emitWarning('mine');`,
  'emitter methods': `const E = require('events'); const e = new E(); const seen = [];
    e.on('newListener', (name) => seen.push(name)); e.once('a', () => seen.push('once')); e.prependListener('a', () => seen.push('first')); e.prependOnceListener('a', () => seen.push('zeroth')); e.addListener('a', () => seen.push('last'));
    e.emit('a'); e.emit('a'); console.log(seen.join(), E.prototype.on === E.prototype.addListener, E.prototype.on.name, E.prototype.on.length, e.listenerCount('a'), Object.keys(E.prototype).join());
    try { e.on('x', 5); } catch (error) { console.log(error.code); }
    class Heir extends E { constructor() { super(); this.on('x', () => {}); } } console.log(new Heir().listenerCount('x'));`,
  'event targets': `const t = new EventTarget(); let n = 0; t.addEventListener('x', () => n++, { once: true }); t.addEventListener('x', { handleEvent() { n++; } }); t.addEventListener('y', null);
    t.dispatchEvent(new Event('x')); t.dispatchEvent(new Event('x')); console.log(n, EventTarget.prototype.addEventListener.name, EventTarget.prototype.addEventListener.length);
    try { t.addEventListener('x'); } catch (error) { console.log(error.code); } try { EventTarget.prototype.addEventListener.call({}, 'x', () => {}); } catch (error) { console.log(error.code); }`,
  'SIGTERM without a handler': `${job} setInterval(() => {}, 1000); job('a', {}, () => 1); setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50);`,
  'SIGINT with a handler of the worker': `${job} setInterval(() => {}, 1000); job('a', {}, () => 1); process.on('SIGINT', (name) => { console.log('mine', name, process.listenerCount('SIGINT')); process.exit(6); }); setTimeout(() => process.kill(process.pid, 'SIGINT'), 50);`,
  'SIGTERM handled once, then by default': `${job} setInterval(() => {}, 1000); job('a', {}, () => 1); process.once('SIGTERM', () => { console.log('once'); setTimeout(() => process.kill(process.pid, 'SIGTERM'), 20); }); setTimeout(() => process.kill(process.pid, 'SIGTERM'), 50);`,
  'async context of the worker': `${job} const { AsyncLocalStorage } = require('async_hooks'); const als = new AsyncLocalStorage();
    als.run('ctx', async () => { await job('a', {}, async () => { await null; console.log(als.getStore()); }); console.log(als.getStore()); });`,
  'a wrapper that starts a child': `const { execFileSync } = require('child_process'); console.log(String(execFileSync(process.execPath, ['-e', 'console.log(1 + 1)'])));`,
  'a thread with its own environment': `const { Worker } = require('worker_threads'); const w = new Worker('require("worker_threads").parentPort.postMessage(1)', { eval: true, env: {}, execArgv: [] }); w.on('message', (m) => console.log(m)); w.on('exit', (code) => console.log('exit', code));`,
  'globals that can be seen': `console.log(Object.keys(globalThis).join());`,
};

for (const [name, given] of Object.entries(SAME)) {
  const { file, source } = typeof given === 'string' ? { file: 'worker.cjs', source: given } : given;
  test(`same: ${name}`, async () => {
    const collector = await Collector.open();
    try {
      const target = script(collector, file, source);
      const without = await runNode([target], process.env);
      const watched = await collector.run(target, { config: { capture: 'auto', hold_job_starts: true, profile_interval_bytes: 524288 } });
      assert.deepStrictEqual(visible(watched), visible(without));
      assert.deepStrictEqual(collector.records('failed'), []);
      assert.ok(collector.records('hello').length > 0);
    } finally {
      collector.close();
    }
  });
}

function visible({ stdout, stderr, code, signal, pid }) {
  const hide = (text) => text.replaceAll(`node:${pid}`, 'node:PID').replace(/^ +at .*(\n|$)/gm, '').replace(/^.*agents\/node.*\n.*\n.*\n/gm, '');
  return { stdout: hide(stdout), stderr: hide(stderr), code, signal };
}

test('without a socket there is no agent', async () => {
  const collector = await Collector.open();
  const target = script(collector, 'worker.cjs', `console.log(typeof plimsoll, process.listenerCount('exit'), require('events').init.toString().length);`);
  const without = await runNode([target], process.env);
  await new Promise((resolve) => collector.server.close(resolve));
  const missing = await runNode([target], collector.environment());
  collector.close();
  assert.deepStrictEqual(visible(missing), visible(without));
});

test('a configuration that is no JSON is ignored', async () => {
  const collector = await Collector.open();
  const target = script(collector, 'worker.cjs', `console.log(typeof plimsoll);`);
  const outcome = await runNode([target], { ...collector.environment(), PLIMSOLL_AGENT: '{' });
  collector.close();
  assert.deepStrictEqual([outcome.stdout, outcome.stderr, outcome.code], ['undefined\n', '', 0]);
});

test('the socket goes away midway: everything is undone and the worker goes on', () => watch({
  source: `const E = require('events'); const { job } = plimsoll; const own = () => process.listenerCount('exit') + process.listenerCount('SIGTERM') + process.listenerCount('warning');
    const before = [E.init, E.prototype.on, EventTarget.prototype.addEventListener];
    (async () => {
      job('a', {}, () => 1);
      console.log('ready');
      while (globalThis.plimsoll) await job('a', {}, () => new Promise((resolve) => setTimeout(resolve, 5)));
      const after = [E.init, E.prototype.on, EventTarget.prototype.addEventListener];
      console.log(after.map((fn, i) => fn !== before[i]).join(), process.listenerCount('exit'), process.listenerCount('SIGTERM'), await job('a', {}, async () => 7));
    })();`,
  onSpawn: (child, collector) => child.stdout.once('data', () => collector.until(() => collector.connections.length > 0).then(() => collector.connections[0].socket.destroy())),
}, (collector, outcome) => {
  assert.deepStrictEqual([outcome.stdout, outcome.stderr, outcome.code], ['ready\ntrue,true,true 0 0 7\n', '', 0]);
}));

test('detach says good-bye and undoes everything', () => watch({
  source: `console.log('ready'); const t = setInterval(() => { if (!globalThis.plimsoll) { clearInterval(t); console.log('gone', process.listenerCount('exit')); } }, 5);`,
  onSpawn: (child, collector) => child.stdout.once('data', () => collector.until(() => collector.connections.length > 0).then(() => collector.connections[0].socket.write('{"type":"unknown"}\nnot json\n{"type":"detach"}\n'))),
}, (collector, outcome) => {
  assert.deepStrictEqual([outcome.stdout, outcome.code], ['ready\ngone 0\n', 0]);
  assert.strictEqual(collector.records('bye')[0].reason, 'detach');
}));

test('a collector that never reads loses records, not the worker', () => watch({
  source: `(async () => { for (let i = 0; i < 3000; i++) { await plimsoll.job('class ' + (i % 200), { id: 'x'.repeat(200) }, () => new Promise((resolve) => setTimeout(resolve, 1))); } console.log('end'); })();`,
  paused: true,
}, (collector, outcome) => {
  assert.deepStrictEqual([outcome.stdout, outcome.code], ['end\n', 0]);
}));
