'use strict';

const { AssertionError } = require('node:assert');
// From the module, not the global: fake timers of test runners replace the global one.
const { setImmediate } = require('node:timers');
const v8 = require('node:v8');
const vm = require('node:vm');

const { judge } = require('./slope.cjs');

// The later half alone is judged too, and an interval over fewer than twelve floors is too wide to be of use.
const FLOORS = 24;
const ROUNDS = 3;
// The minimum effect of `plimsoll verify`, bytes per job.
const MINIMUM_EFFECT = 50;
// What V8 itself may gain over a record (feedback, compiled code, tables that double) without any job leaving a
// thing: a growth limit below this, spread over the jobs, could not be told from it.
const OWN_DRIFT_BYTES = 16 * 1024;

/** Runs `fn` over and over and throws an AssertionError if each call leaves memory behind. */
async function assertNoLeak(fn, options = {}) {
  const { jobs, warmup, growthLimit, strict } = checked(fn, options);
  const collect = collector();
  for (let job = 0; job < warmup; job += 1) await fn(job);

  // Made before the first floor, so that the record's own memory is not part of what it records.
  const done = new Float64Array(FLOORS);
  const floors = new Float64Array(FLOORS);
  let job = 0;
  for (let index = 0; index < FLOORS; index += 1) {
    const until = Math.round((jobs * (index + 1)) / FLOORS);
    for (; job < until; job += 1) await fn(warmup + job);
    done[index] = job;
    floors[index] = await floor(collect);
  }
  const verdict = { ...judge(Array.from(done), Array.from(floors), growthLimit), jobs, growthLimit };
  if (verdict.status === 'leaking' || (strict && verdict.status === 'inconclusive')) throw failure(verdict);
  return verdict;
}

function checked(fn, options) {
  if (typeof fn !== 'function') throw new TypeError(`assertNoLeak: the job must be a function, not ${typeof fn}`);
  const { jobs = 480, strict = false } = options;
  if (!Number.isSafeInteger(jobs) || jobs < FLOORS) {
    throw new RangeError(`assertNoLeak: jobs is ${String(jobs)}; say a whole number of at least ${FLOORS}`);
  }
  // As many again up to 200: enough for V8 to have compiled what it means to compile.
  const { warmup = Math.min(jobs, 200), growthLimit = Math.max(MINIMUM_EFFECT, OWN_DRIFT_BYTES / jobs) } = options;
  if (!Number.isSafeInteger(warmup) || warmup < 0) {
    throw new RangeError(`assertNoLeak: warmup is ${String(warmup)}; say how many jobs come before the first measurement`);
  }
  if (!Number.isFinite(growthLimit) || growthLimit < 0) {
    throw new RangeError(`assertNoLeak: growthLimit is ${String(growthLimit)}; say a number of bytes per job`);
  }
  return { jobs, warmup, growthLimit, strict };
}

function collector() {
  if (typeof globalThis.gc === 'function') return globalThis.gc;
  v8.setFlagsFromString('--expose-gc');
  const collect = vm.runInNewContext('typeof gc === "function" ? gc : undefined');
  if (!collect) throw new Error('assertNoLeak: this runtime cannot be asked to collect garbage; run node with --expose-gc');
  return collect;
}

/**
 * Bytes that are live after full collections, buffers outside of the heap included. The least of a few readings:
 * V8's own work on other threads adds to some of them and never takes from one.
 */
async function floor(collect) {
  // What the last round of finalizers let go of.
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    const { heapUsed, external } = process.memoryUsage();
    least = Math.min(least, heapUsed + external);
  }
  return least;
}

function failure(verdict) {
  const { status, bytesPerJob, jobs, growthLimit } = verdict;
  const { estimate, low, high } = bytesPerJob;
  const leaking = status === 'leaking';
  const figures = `${bytes(estimate)} a job (95 % interval ${bytes(low)} to ${bytes(high)}) over ${jobs} jobs`;
  const error = new AssertionError({
    message: leaking
      ? `Every job leaves memory behind: ${figures}, above the limit of ${bytes(growthLimit)} a job.\n` +
        `To see what holds it: plimsoll verify --jobs ${jobs} -- node WORKER.js`
      : `Not settled whether jobs leave memory behind: ${figures}, limit ${bytes(growthLimit)} a job.\n` +
        `More jobs would settle it: assertNoLeak(fn, { jobs: ${jobs * 4} }), or plimsoll verify --jobs ${jobs * 4} -- node WORKER.js`,
    actual: estimate,
    expected: growthLimit,
    operator: 'assertNoLeak',
    stackStartFn: assertNoLeak,
  });
  return Object.assign(error, verdict);
}

function bytes(count) {
  const size = Math.abs(count);
  if (size >= 1024 * 1024) return `${(count / 1024 / 1024).toFixed(1)} MiB`;
  return size >= 1024 ? `${(count / 1024).toFixed(1)} KiB` : `${Math.round(count)} B`;
}

module.exports = { assertNoLeak };
