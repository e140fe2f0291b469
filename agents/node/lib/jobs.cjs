'use strict';
// The job hooks: what happens at a job's start and end. This is the hot path (tens of thousands of jobs a second).
//
// The outermost job counts. A job started while another one's function is still on the stack is nested; for
// the rest, jobs of a class run in an async context until 200 of them have started no job of their own, since a
// context for ever makes every promise of the worker two to three times as dear.

const { AsyncLocalStorage } = require('node:async_hooks');
const { text } = require('./counters.cjs');
const { words } = require('./shared.cjs');

const now = performance.now.bind(performance);

/** Details are for looking at, counts are for reckoning: 50 a second at first, ten once the worker is known. */
const DETAIL_INTERVAL_MS = 20;
const LATER_DETAIL_INTERVAL_MS = 100;
const EARLY_DETAILS = 250;
/** Shorter jobs cannot make a peak that matters, and there may be very many of them. */
const PEAK_JOB_MS = 10;
/** Reading the heap costs 0.3 µs in a tight loop and several with cold caches: shorter jobs do with the last reading. */
const WORTH_READING_MS = 1;
/** Drains cost 3 µs and more per collection; jobs expected to be shorter than this do without at their start. */
const WORTH_DRAINING_MS = 5;
const WARM_UP_JOBS = 20;
const COST_SAMPLE = 64;
const POOL_LIMIT = 64;

class Run {
  constructor() {
    this.counters = null;
    this.meta = null;
    this.sequence = 0;
    this.startedAt = 0;
    this.usedBytes = 0;
    this.heapBytes = 0;
    this.freedBytes = 0;
    this.detailed = false;
    this.holding = false;
    this.alone = false;
    this.tracked = false;
  }
}

/**
 * Keeps the last job's function. A worker whose event loop runs dry has lost the references to its own variables
 * by the time of the 'exit' event, and the last reading would find nothing of what it held.
 */
class PlimsollLastJob {
  constructor() {
    this.fn = null;
  }
}

class Jobs {
  constructor({ counters, memory, shared, limit, onMeasured, onError }) {
    this.on = true;
    this.counters = counters;
    this.memory = memory;
    this.row = shared.row;
    this.shared = shared;
    this.limit = limit ?? Infinity;
    this.onMeasured = onMeasured;
    this.onError = onError;
    this.onFirst = null;
    this.quiet = null;
    this.executing = null;
    this.inFlight = 0;
    this.started = 0;
    this.done = 0;
    this.counted = true;
    this.nextDetailAt = 0;
    this.details = 0;
    this.costMs = 0;
    this.pool = [];
    this.lastJob = new PlimsollLastJob();
    this.context = new AsyncLocalStorage();
    this.contextUsed = false;
    this.openTracked = new Map();
    this.job = this.job.bind(this);
  }

  /** The public `plimsoll.job`: returns what `fn` returns. */
  job(name, meta, fn) {
    if (!this.on || this.nested()) return fn();
    const counters = this.counters.of(name);
    const gate = this.quiet.gateFor(counters);
    if (gate !== null) return gate.then(() => this.execute(counters, meta, fn));
    return this.execute(counters, meta, fn);
  }

  /** Median-like length of a job, for deadlines. */
  meanMs() {
    let jobs = 0;
    let sum = 0;
    for (const counters of this.counters.classes.values()) {
      jobs += counters.done;
      sum += counters.done * counters.meanMs;
    }
    return jobs > 0 ? sum / jobs : 0;
  }

  execute(counters, meta, fn) {
    if (!this.on) return fn();
    const run = this.begin(counters, meta);
    if (run === null) return fn();
    this.lastJob.fn = fn;
    const outer = this.executing;
    this.executing = run;
    let result;
    let returned = false;
    try {
      result = run.tracked ? this.context.run(run.sequence, fn) : fn();
      returned = true;
    } finally {
      // Not caught and thrown anew: Node would print our line as the place of an uncaught error.
      this.executing = outer;
      if (!returned) this.end(run, true);
    }
    if (result === null || typeof result !== 'object' || typeof result.then !== 'function') {
      this.end(run, false);
      return result;
    }
    counters.asynchronous = true;
    return this.follow(run, result);
  }

  /** The derived promise carries the outcome on, so a rejection nobody handles is still reported, once. */
  follow(run, promise) {
    return promise.then(
      (value) => {
        this.end(run, false);
        return value;
      },
      (error) => {
        this.end(run, true);
        throw error;
      },
    );
  }

  nested() {
    if (this.executing !== null) {
      this.executing.counters.nests = true;
      return true;
    }
    if (this.openTracked.size === 0) return false;
    const outer = this.openTracked.get(this.context.getStore());
    if (outer === undefined) return false;
    outer.nests = true;
    return true;
  }

  planDetail(startedAt) {
    this.details += 1;
    this.nextDetailAt = startedAt + (this.details <= EARLY_DETAILS ? DETAIL_INTERVAL_MS : LATER_DETAIL_INTERVAL_MS);
  }

  /** Never throws: an error of ours ends the watching, not the job. */
  begin(counters, meta) {
    try {
      return this.open(counters, meta);
    } catch (error) {
      this.onError(error);
      return null;
    }
  }

  end(run, failed) {
    if (run.counters === null) return;
    try {
      this.close(run, failed);
    } catch (error) {
      this.onError(error);
    }
  }

  open(counters, meta) {
    let startedAt = now();
    if (this.onFirst !== null || startedAt >= this.quiet.lookAt || this.done >= this.quiet.lookJobs) {
      if (this.onFirst !== null) this.first();
      this.quiet.atJobStart();
      startedAt = now();
    }
    const run = this.pool.pop() ?? new Run();
    this.started += 1;
    run.counters = counters;
    run.meta = meta ?? null;
    run.sequence = this.started;
    run.tracked = this.track(run, counters);
    if (this.counted) counters.started += 1;
    this.inFlight += 1;
    run.alone = this.inFlight === 1;
    this.row[words.IN_FLIGHT] = this.inFlight;
    this.row[words.STARTED] += 1;
    run.startedAt = startedAt;
    this.measureStart(run, counters);
    if (this.started % COST_SAMPLE === 0) this.costMs += (now() - run.startedAt) * COST_SAMPLE;
    return run;
  }

  /** Before every reading but the last: the function may hold what its job needed. */
  forgetLast() {
    this.lastJob.fn = null;
  }

  first() {
    const first = this.onFirst;
    this.onFirst = null;
    first();
  }

  measureStart(run, counters) {
    run.holding = false;
    run.detailed = run.startedAt >= this.nextDetailAt;
    const unknown = counters.done < WARM_UP_JOBS;
    if (!run.detailed && !unknown && counters.meanMs < WORTH_READING_MS) {
      run.usedBytes = this.memory.heapBytes + this.memory.externalBytes;
      return;
    }
    run.holding = run.detailed || ((unknown || counters.meanMs > WORTH_DRAINING_MS) && run.startedAt - this.memory.drainedAt > 1);
    if (run.holding) this.memory.hold();
    if (run.detailed) this.planDetail(run.startedAt);
    run.usedBytes = this.memory.read();
    run.heapBytes = this.memory.heapBytes;
    run.freedBytes = this.memory.freedBytes;
  }

  close(run, failed) {
    const endedAt = now();
    const counters = run.counters;
    const durationMs = endedAt - run.startedAt;
    const measured = run.detailed || durationMs >= PEAK_JOB_MS;
    if (run.holding) this.memory.letGo();
    const reading = measured && this.on ? this.measureEnd(run, counters) : null;
    this.inFlight -= 1;
    this.row[words.IN_FLIGHT] = this.inFlight;
    if (run.tracked) this.untrack(run);
    if (this.counted) this.count(run, counters, durationMs, failed);
    if (reading !== null && this.on) this.onMeasured(run, endedAt, failed, reading);
    run.counters = null;
    run.meta = null;
    if (this.pool.length < POOL_LIMIT) this.pool.push(run);
    if (this.on && this.inFlight === 0 && this.quiet.waiting) this.quiet.soon();
    if (this.done % COST_SAMPLE === 0) this.costMs += (now() - endedAt) * COST_SAMPLE;
  }

  count(run, counters, durationMs, failed) {
    counters.done += 1;
    if (failed) counters.failed += 1;
    counters.addDuration(durationMs);
    counters.dirty = true;
    const meta = run.meta;
    if (meta !== null && typeof meta === 'object') countMeta(counters, meta, run.startedAt);
    this.done += 1;
    this.row[words.DONE] += 1;
    if (counters.slot >= 0) this.row[counters.slot] += 1;
    if (this.done >= this.limit || this.limitedElsewhere()) this.reachLimit();
  }

  limitedElsewhere() {
    return this.limit !== Infinity && this.shared.done() >= this.limit;
  }

  reachLimit() {
    this.counted = false;
    this.quiet.reached();
  }

  measureEnd(run, counters) {
    if (!run.holding) this.memory.drain();
    const usedBytes = this.memory.read();
    const peakBytes = Math.max(0, Math.max(usedBytes, this.memory.highestSince(run.startedAt)) - run.usedBytes);
    if (counters.peakBytes === null || peakBytes > counters.peakBytes) counters.peakBytes = peakBytes;
    const allocatedBytes = this.allocated(run);
    if (allocatedBytes !== null) {
      counters.allocatedBytes += allocatedBytes;
      counters.allocatedJobs += 1;
    }
    return { usedBytes, peakBytes, allocatedBytes };
  }

  /** Exact where the job ran alone and its collections were all seen; null otherwise. */
  allocated(run) {
    if (!run.detailed || !run.alone || this.started !== run.sequence) return null;
    return Math.max(0, this.memory.heapBytes - run.heapBytes + this.memory.freedBytes - run.freedBytes);
  }

  /** Shall the job run in an async context, to see whether it starts jobs of its own. */
  track(run, counters) {
    if (!counters.nests && counters.lessonsLeft <= 0) return false;
    this.openTracked.set(run.sequence, counters);
    this.contextUsed = true;
    return true;
  }

  untrack(run) {
    this.openTracked.delete(run.sequence);
    const counters = run.counters;
    counters.lessonsLeft -= 1;
    if (this.openTracked.size === 0 && this.contextUsed && !counters.nests && counters.lessonsLeft <= 0) this.disableContext();
  }

  disableContext() {
    for (const counters of this.counters.classes.values()) {
      if (counters.nests || counters.lessonsLeft > 0) return;
    }
    this.context.disable();
    this.contextUsed = false;
  }

  stop() {
    this.on = false;
    this.context.disable();
  }
}

function countMeta(counters, meta, startedAt) {
  if (typeof meta.payloadBytes === 'number') {
    counters.payloadBytes += meta.payloadBytes;
    counters.payloadJobs += 1;
  }
  if (meta.enqueuedAt === undefined || meta.enqueuedAt === null) return;
  const enqueuedAt = instantSeconds(meta.enqueuedAt);
  if (enqueuedAt === null) return;
  counters.waitSeconds += Math.max(0, (performance.timeOrigin + startedAt) / 1000 - enqueuedAt);
  counters.waitJobs += 1;
}

/** Seconds since the epoch from a Date, an RFC 3339 text, or a number in milliseconds or seconds; else null. */
function instantSeconds(value) {
  const given = value instanceof Date ? value.getTime() : typeof value === 'string' ? Date.parse(value) : value;
  if (typeof given !== 'number' || !Number.isFinite(given)) return null;
  // 1e11 seconds is the year 5138, 1e11 milliseconds 1973: what is larger was meant as milliseconds.
  return given > 1e11 ? given / 1000 : given;
}

/** The `job` record of a run. */
function detail(run, endedAt, failed, reading) {
  const meta = run.meta !== null && typeof run.meta === 'object' ? run.meta : {};
  const origin = performance.timeOrigin;
  return {
    type: 'job',
    t: (origin + endedAt) / 1000,
    class: run.counters.name,
    id: text(meta.id),
    attempt: typeof meta.attempt === 'number' ? meta.attempt : null,
    queue: text(meta.queue),
    tenant: text(meta.tenant),
    traceparent: text(meta.traceparent),
    payload_bytes: typeof meta.payloadBytes === 'number' ? meta.payloadBytes : null,
    enqueued_at: instantSeconds(meta.enqueuedAt),
    started_at: (origin + run.startedAt) / 1000,
    ended_at: (origin + endedAt) / 1000,
    outcome: failed ? 'failed' : 'completed',
    memory_before_bytes: run.usedBytes,
    memory_after_bytes: reading?.usedBytes ?? null,
    allocated_bytes: reading?.allocatedBytes ?? null,
    peak_bytes: reading?.peakBytes ?? null,
  };
}

module.exports = { Jobs, detail };
