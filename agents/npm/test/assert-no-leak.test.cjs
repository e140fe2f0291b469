'use strict';

const assert = require('node:assert');
const { EventEmitter } = require('node:events');
const { test } = require('node:test');
const vm = require('node:vm');

const { assertNoLeak } = require('..');

const JOBS = 480;

const LEAKS = {
  'an array that nobody drains': () => {
    const kept = [];
    return (job) => kept.push({ job, text: `job ${job}`, list: new Array(32).fill(job) });
  },
  'a listener per job, async': () => {
    const emitter = new EventEmitter().setMaxListeners(0);
    return async (job) => {
      await null;
      const payload = new Array(64).fill(job);
      emitter.on('done', () => payload.length);
    };
  },
  'buffers outside of the heap': () => {
    const kept = [];
    return () => kept.push(new ArrayBuffer(4096));
  },
};

const SOUND = {
  'a cache that fills to its cap in the warm-up': () => {
    const cache = new Map();
    return (job) => cache.set(job % 100, new Array(64).fill(job));
  },
  'a cache that fills to its cap in the first third': () => {
    const cache = new Map();
    return (job) => cache.set(job % 360, new Array(64).fill(job));
  },
  'code that is compiled as it goes': () => {
    const compiled = [];
    return (job) => {
      if (compiled.length < 40) compiled.push(vm.runInThisContext(`(function f${job}(a, b) { return a * ${job} + b; })`));
      let sum = 0;
      for (const f of compiled) for (let i = 0; i < 50; i += 1) sum += f(i, sum % 7);
      return sum;
    };
  },
  'churn in and outside of the heap': () => async (job) => {
    const objects = Array.from({ length: 500 }, (_, index) => ({ index, text: `${job}/${index}` }));
    const buffers = Array.from({ length: 4 }, () => Buffer.alloc(16 * 1024));
    await Promise.all(objects.slice(0, 10).map(async (object) => object.text.length));
    return buffers.length + objects.length;
  },
};

for (const [name, make] of Object.entries(LEAKS)) {
  test(`leaks: ${name}`, async () => {
    const error = await assertNoLeak(make(), { jobs: JOBS }).then(() => undefined, (thrown) => thrown);
    assert(error instanceof assert.AssertionError, `no AssertionError but ${error}`);
    assert.match(error.message, /a job \(95 % interval .+ to .+\) over 480 jobs[^]+plimsoll verify --jobs 480/);
    assert.strictEqual(error.status, 'leaking');
    assert(error.bytesPerJob.low > 50 && error.bytesPerJob.low <= error.bytesPerJob.estimate);
    assert(error.bytesPerJob.estimate <= error.bytesPerJob.high);
  });
}

for (const [name, make] of Object.entries(SOUND)) {
  test(`sound: ${name}`, async () => {
    const verdict = await assertNoLeak(make(), { jobs: JOBS });
    assert.match(verdict.status, /^(stable|bounded)$/, JSON.stringify(verdict));
  });
}

test('buffers are counted in full', async () => {
  const kept = [];
  const error = await assertNoLeak(() => kept.push(new ArrayBuffer(65536)), { jobs: 48 }).catch((thrown) => thrown);
  assert(Math.abs(error.bytesPerJob.estimate / 65536 - 1) < 0.05, String(error.bytesPerJob.estimate));
});

test('a growth limit of one\'s own', async () => {
  const kept = [];
  const { status } = await assertNoLeak(() => kept.push(new ArrayBuffer(1024)), { jobs: JOBS, growthLimit: 4096 });
  assert.strictEqual(status, 'stable');
});

test('a job that fails fails the test with its own error', async () => {
  await assert.rejects(assertNoLeak(() => { throw new Error('no such queue'); }, { jobs: 24 }), /no such queue/);
});

test('bad arguments are named', async () => {
  await assert.rejects(assertNoLeak('no'), /must be a function, not string/);
  for (const options of [{ jobs: 3 }, { jobs: 'x' }, { warmup: -1 }, { growthLimit: NaN }]) {
    await assert.rejects(assertNoLeak(() => {}, options), new RegExp(`${Object.keys(options)[0]} is ${Object.values(options)[0]}`));
  }
});

test('ES modules import it by name', async () => {
  const module = await import('../index.mjs');
  assert.strictEqual(module.assertNoLeak, assertNoLeak);
});
