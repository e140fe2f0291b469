'use strict';
// Quiescent floors: live memory right after a full collection that we force, between jobs.

const v8 = require('node:v8');
const vm = require('node:vm');
const { Stopwatch } = require('./stopwatch.cjs');

const now = performance.now.bind(performance);

/** A floor may cost a third of the time between floors at most … */
const GAP_IN_COSTS = 3;
/** … and forty per doubling of the run say as much as any number could. */
const GAP_SHARE_OF_RUN = 1 / 40;
/** An isolate without jobs has no job count to be fitted against: time will do. */
const GAP_WITHOUT_JOBS_MS = 2000;

/** External memory this close to the last floor's is worth no second collection. */
const EXTERNAL_SLACK_BYTES = 16 << 10;

/** V8's own collector function, without a flag of the user's and without leaving a flag behind. */
function exposeCollector() {
  const { gc } = globalThis;
  if (typeof gc === 'function') return gc;
  v8.setFlagsFromString('--expose-gc');
  try {
    return vm.runInNewContext('gc');
  } finally {
    v8.setFlagsFromString('--no-expose-gc');
  }
}

class Floors {
  constructor({ allowed, memory, budget, shared, counters, send }) {
    Object.assign(this, { allowed, memory, budget, shared, counters, send });
    this.collect = null;
    this.lastAt = -Infinity;
    this.lastCostMs = 0;
    this.lastPauseMs = 0;
    this.jobsAtLast = -1;
    this.asked = false;
    this.final = false;
    this.onTaken = () => {};
    this.first = null;
    this.last = null;
  }

  gapMs() {
    return Math.max(GAP_IN_COSTS * this.lastCostMs, this.budget.elapsedMs() * GAP_SHARE_OF_RUN);
  }

  nextAt() {
    if (!this.allowed) return Infinity;
    return this.asked ? 0 : this.lastAt + this.gapMs();
  }

  due(done) {
    if (!this.allowed || !this.budget.floorFits(this.lastCostMs)) return false;
    if (this.asked) return true;
    return done !== this.jobsAtLast && now() >= this.nextAt();
  }

  dueWithoutJobs() {
    if (!this.allowed || !this.budget.floorFits(this.lastCostMs)) return false;
    const sinceMs = now() - this.lastAt;
    if (this.asked || sinceMs >= Math.max(GAP_WITHOUT_JOBS_MS, this.gapMs())) return true;
    // Jobs of the other isolates are as good an axis as our own.
    return this.shared.done() !== this.jobsAtLast && this.shared.inFlight() === 0 && sinceMs >= this.gapMs();
  }

  overdue() {
    return this.asked || now() - this.lastAt >= 2 * this.gapMs();
  }

  /** Collects and reports. Returns the reading, or null if the collector cannot be had. */
  take(inFlight) {
    const stopwatch = new Stopwatch();
    this.memory.drain();
    if (!this.collectFully()) return null;
    const reading = process.memoryUsage();
    this.memory.drain(true);
    this.memory.read();
    this.lastAt = now();
    const spent = stopwatch.read();
    this.lastCostMs = spent.costMs;
    this.lastPauseMs = spent.wallMs;
    this.budget.paused(spent);
    this.budget.floorMs += this.lastCostMs;
    this.asked = false;
    this.report(reading, inFlight);
    this.onTaken();
    return reading;
  }

  collectFully() {
    if (!this.allowed) return false;
    this.collect ??= exposeCollector();
    this.collect();
    // Buffers are given back by a sweeper that lags; a second collection waits for it.
    const risenBytes = v8.getHeapStatistics().external_memory - (this.last?.external ?? 0);
    if (Math.abs(risenBytes) > EXTERNAL_SLACK_BYTES) this.collect();
    return true;
  }

  report(reading, inFlight) {
    const jobs = this.shared.doneByClass() ?? (this.shared.index === 0 ? this.counters.doneByClass() : undefined);
    this.first ??= reading;
    this.last = reading;
    this.jobsAtLast = this.shared.done();
    this.send({
      type: 'floor',
      t: Date.now() / 1000,
      live_bytes: reading.heapUsed,
      external_bytes: reading.external,
      array_buffers_bytes: reading.arrayBuffers,
      rss_bytes: reading.rss,
      in_flight: inFlight,
      pause_seconds: this.lastPauseMs / 1000,
      jobs,
      final: this.final || undefined,
    });
  }
}

module.exports = { Floors };
