'use strict';
// The reading of each second: memory, spaces, event loop, resources, listeners, collector, and our own cost.

const v8 = require('node:v8');
const { monitorEventLoopDelay } = require('node:perf_hooks');

/** Coarse enough to cost nothing (20 wake-ups a second), fine enough to see a pause that hurts. */
const DELAY_RESOLUTION_MS = 50;
const RESOURCE_KINDS = 64;

class Sampler {
  constructor({ memory, emitters, jobs, shared, channel, ownCost, ownBytes, ownResources }) {
    Object.assign(this, { memory, emitters, jobs, shared, channel, ownCost, ownBytes, ownResources });
    this.delay = null;
  }

  /** Takes the sample; the heap statistics are handed back for whoever watches the limit. */
  sample() {
    this.memory.drain();
    const statistics = v8.getHeapStatistics();
    const usage = process.memoryUsage();
    this.memory.mark(usage.heapUsed + usage.external);
    this.channel.send({
      type: 'sample',
      t: Date.now() / 1000,
      rss_bytes: usage.rss,
      heap_total_bytes: usage.heapTotal,
      heap_used_bytes: usage.heapUsed,
      external_bytes: usage.external,
      array_buffers_bytes: usage.arrayBuffers,
      spaces: spaces(),
      event_loop_delay: this.eventLoopDelay(),
      resources: this.resources(),
      listeners: this.emitters.read(),
      in_flight: this.jobs.inFlight,
      gc: { ...this.memory.gc },
      agent_cpu_seconds: this.ownCost(),
      agent_bytes: this.ownBytes(),
      dropped: this.channel.dropped,
    });
    return statistics;
  }

  eventLoopDelay() {
    if (this.delay === null) {
      this.delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
      this.delay.enable();
      return null;
    }
    const { delay } = this;
    const reading = delay.max > 0 ? { p50: late(delay.percentile(50)), p99: late(delay.percentile(99)), max: late(delay.max) } : null;
    delay.reset();
    return reading;
  }

  resources() {
    const counts = {};
    let kinds = 0;
    for (const kind of process.getActiveResourcesInfo?.() ?? []) {
      if (counts[kind] === undefined && (kinds += 1) > RESOURCE_KINDS) continue;
      counts[kind] = (counts[kind] ?? 0) + 1;
    }
    for (const [kind, count] of Object.entries(this.ownResources())) {
      if (counts[kind] > count) counts[kind] -= count;
      else delete counts[kind];
    }
    return counts;
  }

  stop() {
    this.delay?.disable();
  }
}

/** The histogram holds the whole interval in nanoseconds; what exceeds the resolution is delay. */
function late(nanoseconds) {
  return Math.max(0, nanoseconds / 1e9 - DELAY_RESOLUTION_MS / 1000);
}

function spaces() {
  const sizes = {};
  for (const space of v8.getHeapSpaceStatistics()) sizes[space.space_name] = space.space_used_size;
  return sizes;
}

module.exports = { Sampler };
