'use strict';
// What a pause costs the worker: its wall time, but no more than the processor time that went into it. On a crowded
// machine both the pause and the jobs wait for their turn, and waiting that others cause must not use up our budget.

const now = performance.now.bind(performance);
const { cpuUsage } = process;

class Stopwatch {
  constructor() {
    this.startedAt = now();
    this.cpu = cpuUsage();
  }

  /** Time since the start: as the clock has it, and as it counts against the budget. */
  read() {
    const wallMs = now() - this.startedAt;
    const { user, system } = cpuUsage(this.cpu);
    return { wallMs, costMs: Math.min(wallMs, (user + system) / 1000) };
  }
}

module.exports = { Stopwatch };
