'use strict';
// Evidence: heap snapshots at growing or chosen job counts, thinned to a few well-spaced ones.

const fs = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const { headRoom } = require('./headroom.cjs');
const { Stopwatch } = require('./stopwatch.cjs');

const now = performance.now.bind(performance);

/** The first three points are what a short run is judged by: they may follow each other more closely. */
const EAGER_CAPTURES = 3;
/** Each capture sees as many jobs again as were done before it, so the number grows only with the logarithm. */
const GROWTH = 2;
const FIRST_JOBS = 10;
const SHORTEST_GAP_MS = 100;
/** The same for time at work, pauses not counted: a fast worker would double its jobs within milliseconds. */
const EAGER_GROWTH = 0.5;
const LATER_GROWTH = 2;
const KEPT_FILES = 8;
/** On the way out a worker may be kept this long for its last evidence, and no longer. */
const LONGEST_EXIT_PAUSE_MS = 10_000;
/** Reading, parsing and walking a larger heap takes minutes: only when somebody asks. */
const LARGEST_HEAP_BYTES = 1 << 30;
const NEAR_LIMIT = 0.85;
/** V8's limit counts three young spaces of 16 MiB that long-lived objects can never use. */
const YOUNG_BYTES = 48 << 20;

class Capture {
  constructor({ config, memory, budget, floors, jobs, shared, send, onFirst, onTaken }) {
    Object.assign(this, { memory, budget, floors, jobs, shared, send, onFirst, onTaken });
    this.directory = config.evidenceDir;
    this.mode = this.directory === null ? 'never' : config.capture;
    this.plan = plannedCounts(config);
    this.sequence = 0;
    this.lastJobs = 0;
    this.lastAt = 0;
    this.lastPauseMs = 0;
    this.lastCostMs = 0;
    this.workedMs = 0;
    this.kept = [];
    this.asked = false;
    this.nearLimit = false;
    this.nearLimitDone = false;
  }

  nextJobs(done) {
    if (this.mode === 'never') return Infinity;
    if (this.plan !== null) return this.plan[0] ?? Infinity;
    return done >= this.thresholdJobs() ? Infinity : this.thresholdJobs();
  }

  nextAt(done) {
    if (this.asked || this.nearLimit) return 0;
    if (this.mode === 'never' || this.plan !== null || done < this.thresholdJobs()) return Infinity;
    return this.earliestAt();
  }

  thresholdJobs() {
    return Math.max(FIRST_JOBS, Math.ceil(GROWTH * this.lastJobs));
  }

  earliestAt() {
    const growth = this.sequence < EAGER_CAPTURES ? EAGER_GROWTH : LATER_GROWTH;
    return this.lastAt + Math.max(SHORTEST_GAP_MS, growth * this.workedMs);
  }

  due(done) {
    if (this.mode === 'never' && !this.asked) return false;
    if (this.nearLimit) return this.predictedMs() <= LONGEST_EXIT_PAUSE_MS;
    if (this.asked) return this.affordable();
    if (this.plan !== null) return this.plan.length > 0 && done >= this.plan[0];
    return done >= this.thresholdJobs() && now() >= this.earliestAt() && this.affordable();
  }

  /** The first capture is worth its pause unless it is a long one; from then on the last tells what the next costs. */
  affordable() {
    if (this.budget.captureFits(this.predictedMs())) return true;
    this.lastAt = now();
    return false;
  }

  overdue() {
    return this.asked || this.nearLimit || now() - this.earliestAt() >= SHORTEST_GAP_MS;
  }

  reason() {
    if (this.asked) return 'asked';
    return this.nearLimit ? 'near-limit' : 'scheduled';
  }

  /** Called with each sample and floor: takes evidence early, once, when the heap nears its limit. */
  watchLimit(statistics) {
    if (this.nearLimitDone || this.mode === 'never') return;
    const limit = statistics.heap_size_limit;
    if (statistics.used_heap_size > NEAR_LIMIT * Math.max(limit - YOUNG_BYTES, limit / 2)) this.nearLimit = true;
  }

  take(reason, inFlight) {
    const done = this.shared.done();
    while (this.plan !== null && this.plan.length > 0 && done >= this.plan[0]) this.plan.shift();
    if (this.nearLimit) this.nearLimitDone = true;
    const asked = this.asked;
    this.asked = false;
    this.nearLimit = false;
    this.floors.take(inFlight);
    this.capture(reason, inFlight, done, asked);
  }

  capture(reason, inFlight, done, asked) {
    const refusal = this.refusal(asked);
    if (refusal !== null) this.skip(refusal, done);
    else this.write(reason, inFlight, done);
    this.lastAt = now();
    this.workedMs = this.budget.workedMs();
    this.lastJobs = done;
  }

  /** The last evidence on the way out, or at the job limit. */
  takeFinal(inFlight) {
    const done = this.shared.done();
    const repeated = this.sequence > 0 && this.lastJobs === done && inFlight === 0;
    this.floors.take(inFlight);
    if (this.mode === 'never' || repeated) return;
    const predictedMs = this.predictedMs();
    if (predictedMs > LONGEST_EXIT_PAUSE_MS) this.skip(`it would stop the worker for about ${Math.round(predictedMs / 1000)} s`, done);
    else this.capture('exit', inFlight, done, false);
  }

  /** A snapshot takes about 2.5 µs an object, an object is about 60 bytes; the last pause knows better. */
  predictedMs() {
    const perByte = this.lastCostMs > 0 && this.lastHeapBytes > 0 ? this.lastCostMs / this.lastHeapBytes : 2.5e-3 / 60;
    return perByte * this.liveBytes();
  }

  /** Garbage is collected before a snapshot is written, so the last floor tells more than the heap in use. */
  liveBytes() {
    return this.floors.last?.heapUsed ?? this.memory.heapBytes;
  }

  refusal(asked) {
    const heapBytes = v8.getHeapStatistics().used_heap_size;
    if (!asked && heapBytes > LARGEST_HEAP_BYTES) return `the heap in use is ${heapBytes} bytes, more than a capture unasked may stop for`;
    return headRoom(heapBytes);
  }

  write(reason, inFlight, done) {
    if (this.sequence === 0) this.onFirst();
    const stopwatch = new Stopwatch();
    this.sequence += 1;
    const file = `heap-${process.pid}-${require('node:worker_threads').threadId}-${this.sequence}-${done}.heapsnapshot`;
    const target = path.join(this.directory, file);
    try {
      // V8 keeps the mode of a file that is there, and would make one that others can read.
      fs.closeSync(fs.openSync(target, 'wx', 0o600));
      v8.writeHeapSnapshot(target);
    } catch (error) {
      this.skip(`cannot write \`${target}\`: ${error.message}`, done);
      return;
    }
    const spent = stopwatch.read();
    this.lastPauseMs = spent.wallMs;
    this.lastCostMs = spent.costMs;
    this.budget.paused(spent);
    this.lastHeapBytes = this.liveBytes();
    this.budget.captureMs += spent.costMs;
    this.memory.drain(true);
    this.report(file, target, reason, inFlight, done);
    this.thin(file, done);
    this.onTaken();
  }

  report(file, target, reason, inFlight, done) {
    this.send({
      type: 'evidence',
      t: Date.now() / 1000,
      kind: 'heap-snapshot',
      file,
      jobs: done,
      jobs_by_class: this.shared.doneByClass() ?? undefined,
      in_flight: inFlight,
      pause_seconds: this.lastPauseMs / 1000,
      bytes: fs.statSync(target).size,
      reason,
    });
  }

  /** Drops the file whose neighbours are closest to each other in job count; the first and the last stay. */
  thin(file, done) {
    this.kept.push({ file, jobs: done });
    if (this.kept.length <= KEPT_FILES) return;
    const [dropped] = this.kept.splice(closest(this.kept), 1);
    fs.rmSync(path.join(this.directory, dropped.file), { force: true });
    this.send({ type: 'evidence-dropped', t: Date.now() / 1000, file: dropped.file, jobs: dropped.jobs });
  }

  skip(reason, jobs) {
    this.send({ type: 'evidence-skipped', t: Date.now() / 1000, reason, jobs });
  }
}

function closest(kept) {
  let index = 1;
  let least = Infinity;
  for (let candidate = 1; candidate < kept.length - 1; candidate += 1) {
    const ratio = (kept[candidate + 1].jobs + 1) / (kept[candidate - 1].jobs + 1);
    if (ratio < least) {
      least = ratio;
      index = candidate;
    }
  }
  return index;
}

/** Job counts chosen beforehand, or null where they are to grow as the worker goes on. */
function plannedCounts(config, turn = turnOf) {
  if (Array.isArray(config.capture)) return [...config.capture];
  if (config.capture !== 'auto' || config.jobs === null) return null;
  // A tenth of the way start-up is over; half-way tells a filling cache from a line; the end comes by itself.
  return [0.1, 0.55].map((share) => Math.max(1, Math.round(share * config.jobs) + turn(config.jobs)));
}

/** A few jobs more: classes that take turns are told apart by dumps that fell at different turns. */
function turnOf(jobs) {
  return Math.floor(Math.random() * Math.min(8, 1 + jobs / 50));
}

module.exports = { Capture, closest, plannedCounts };
