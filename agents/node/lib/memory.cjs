'use strict';
// Cheap readings of this isolate's memory, the collector's diary, and the high-water marks between them.
//
// `v8.getHeapStatistics` costs 0.3 µs where `process.memoryUsage` costs 8. The GC profiler tells the heap
// before and after every collection but buffers until it is stopped, so it is restarted on each drain (3 µs).
// Each collection costs some 50 to 250 µs of bookkeeping under it: where there are many, it runs one second in four,
// and while a job is measured that needs it.

const v8 = require('node:v8');

const now = performance.now.bind(performance);
const { getHeapStatistics } = v8;

/** Marks kept for peaks: two a second and one per drain cover the longest second of a busy worker. */
const MARKS = 256;
/** At this rate the profiler costs up to a quarter of a percent of the worker's time. */
const FREQUENT_COLLECTIONS_PER_SECOND = 10;
const WINDOW_MS = 1000;
const WINDOWS_PER_OBSERVED = 4;

class Memory {
  constructor() {
    this.wanted = true;
    this.holders = 0;
    this.windowAt = 0;
    this.window = 0;
    this.frequent = false;
    this.onSince = 0;
    this.collections = 0;
    this.heapBytes = 0;
    this.externalBytes = 0;
    this.freedBytes = 0;
    this.gc = { major: 0, minor: 0, pause_seconds: 0, observed_seconds: 0 };
    this.marks = [];
    this.nextMark = 0;
    this.drainedAt = now();
    this.profiler = null;
    this.onMajor = () => {};
    this.restart();
  }

  /** Heap in use plus external memory, in bytes. */
  read() {
    const statistics = getHeapStatistics();
    this.heapBytes = statistics.used_heap_size;
    this.externalBytes = statistics.external_memory;
    return this.heapBytes + this.externalBytes;
  }

  /** Takes over what the collector did since the last drain. `forced` ones are ours and no event of the worker's. */
  drain(forced = false) {
    const events = this.restart();
    this.drainedAt = now();
    let highest = 0;
    this.collections += events.length;
    for (const event of events) highest = Math.max(highest, this.count(event, forced));
    if (highest > 0) this.mark(highest);
  }

  /** Stops the profiler for what it has, and goes on if it is still wanted. */
  restart() {
    if (typeof v8.GCProfiler !== 'function') return [];
    const at = now();
    const events = this.profiler?.stop()?.statistics ?? [];
    if (this.profiler !== null) this.gc.observed_seconds += (at - this.onSince) / 1000;
    this.profiler = null;
    this.onSince = at;
    if (this.wanted || this.holders > 0) {
      this.profiler = new v8.GCProfiler();
      this.profiler.start();
    }
    return events;
  }

  /** A job is about to be measured: no collection within it is to be missed. */
  hold() {
    this.holders += 1;
    this.drain();
  }

  letGo() {
    this.holders -= 1;
    this.drain();
  }

  /** From the timer: shall the profiler go on, judged by the collections of the last window that it saw whole. */
  planWindow() {
    const at = now();
    if (at - this.windowAt < WINDOW_MS) return;
    if (this.wanted) this.frequent = this.collections / ((at - this.windowAt) / 1000) > FREQUENT_COLLECTIONS_PER_SECOND;
    this.windowAt = at;
    this.window += 1;
    this.collections = 0;
    this.wanted = !this.frequent || this.window % WINDOWS_PER_OBSERVED === 0;
    this.drain();
  }

  count(event, forced) {
    const before = event.beforeGC.heapStatistics;
    const after = event.afterGC.heapStatistics;
    this.freedBytes += before.usedHeapSize - after.usedHeapSize;
    if (!forced) this.record(event, before, after);
    return before.usedHeapSize + before.externalMemory;
  }

  record(event, before, after) {
    const pauseSeconds = event.cost / 1e6;
    this.gc.pause_seconds += pauseSeconds;
    if (event.gcType !== 'MarkSweepCompact') {
      this.gc.minor += 1;
      return;
    }
    this.gc.major += 1;
    this.onMajor({ pauseSeconds, usedBeforeBytes: before.usedHeapSize, liveBytes: after.usedHeapSize });
  }

  /** Remembers that the memory once stood at `bytes`. */
  mark(bytes) {
    this.marks[this.nextMark % MARKS] = { at: now(), bytes };
    this.nextMark += 1;
  }

  /** The highest mark since `at`, 0 if there is none. */
  highestSince(at) {
    let highest = 0;
    const oldest = Math.max(0, this.nextMark - MARKS);
    for (let index = this.nextMark - 1; index >= oldest; index -= 1) {
      const mark = this.marks[index % MARKS];
      if (mark.at < at) break;
      highest = Math.max(highest, mark.bytes);
    }
    return highest;
  }

  stop() {
    this.wanted = false;
    this.profiler?.stop();
    this.profiler = null;
  }
}

module.exports = { Memory };
