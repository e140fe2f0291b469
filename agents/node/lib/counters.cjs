'use strict';
// What is counted per job class, cumulatively: nothing here is ever dropped.

/** 1.1^287 µs is over eight days: no job is longer that we need to tell apart. */
const BUCKETS = 288;
const LOG_BASE = Math.log(1.1);
/** A worker with more classes than this names its jobs by something unbounded (an id, a URL). */
const CLASS_LIMIT = 256;
const OVERFLOW_CLASS = '(other)';
const CLASS_NAME_LIMIT = 200;
/** Jobs of a class whose context is followed to learn whether they start jobs of their own. */
const NESTING_LESSONS = 200;

class ClassCounters {
  constructor(name, slot) {
    this.name = name;
    this.slot = slot;
    this.started = 0;
    this.done = 0;
    this.failed = 0;
    this.peakBytes = null;
    this.allocatedBytes = 0;
    this.allocatedJobs = 0;
    this.payloadBytes = 0;
    this.payloadJobs = 0;
    this.waitSeconds = 0;
    this.waitJobs = 0;
    this.durations = new Uint32Array(BUCKETS);
    this.meanMs = 0;
    this.asynchronous = false;
    this.lessonsLeft = NESTING_LESSONS;
    this.nests = false;
    this.dirty = false;
  }

  addDuration(ms) {
    const bucket = ms > 0.001 ? Math.min(BUCKETS - 1, Math.floor(Math.log(ms * 1000) / LOG_BASE)) : 0;
    this.durations[bucket] += 1;
    // A moving mean: only used to decide what is worth measuring.
    this.meanMs += (ms - this.meanMs) / Math.min(this.done, 32);
  }

  record() {
    return {
      done: this.done,
      failed: this.failed,
      started: this.started,
      peak_bytes: this.peakBytes,
      allocated_bytes: this.allocatedBytes,
      allocated_jobs: this.allocatedJobs,
      payload_bytes: this.payloadBytes,
      payload_jobs: this.payloadJobs,
      wait_seconds: this.waitSeconds,
      wait_jobs: this.waitJobs,
      durations: this.durationCounts(),
    };
  }

  durationCounts() {
    const counts = {};
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      if (this.durations[bucket] > 0) counts[bucket] = this.durations[bucket];
    }
    return counts;
  }
}

class Counters {
  constructor(shared) {
    this.shared = shared;
    this.classes = new Map();
  }

  of(name) {
    return this.classes.get(name) ?? this.add(name);
  }

  add(given) {
    let name = className(given);
    if (this.classes.size >= CLASS_LIMIT && !this.classes.has(name)) name = OVERFLOW_CLASS;
    let counters = this.classes.get(name);
    if (counters === undefined) {
      counters = new ClassCounters(name, this.shared.slotOf(name));
      this.classes.set(name, counters);
    }
    return counters;
  }

  /** Classes that changed since the last call with their cumulative counts, in parts that fit a line. */
  takeChanged() {
    const parts = [];
    let classes = {};
    let count = 0;
    for (const counters of this.classes.values()) {
      if (!counters.dirty) continue;
      counters.dirty = false;
      classes[counters.name] = counters.record();
      count += 1;
      // 64 classes of at most 288 buckets stay far below the longest line.
      if (count % 64 === 0) {
        parts.push(classes);
        classes = {};
      }
    }
    if (count % 64 !== 0) parts.push(classes);
    return parts;
  }

  /** A record did not reach Plimsoll: send these classes again. */
  markChanged(classes) {
    for (const name of Object.keys(classes)) this.classes.get(name).dirty = true;
  }

  doneByClass() {
    const done = {};
    for (const counters of this.classes.values()) done[counters.name] = counters.done;
    return done;
  }
}

function className(given) {
  const name = typeof given === 'string' ? given : text(given) ?? 'job';
  return name.length > CLASS_NAME_LIMIT ? name.slice(0, CLASS_NAME_LIMIT) : name;
}

/** A short text of an identifier of unknown type, or null. */
function text(value) {
  if (value === undefined || value === null || typeof value === 'function' || typeof value === 'symbol') return null;
  if (typeof value === 'object') return null;
  return String(value).slice(0, 256);
}

module.exports = { Counters, text };
