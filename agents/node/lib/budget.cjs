'use strict';
// How long the worker may stand still for us: forced collections, evidence and held job starts together.

const now = performance.now.bind(performance);

/** A run shorter than this is budgeted as if it lasted as long, so that it gets its evidence too. */
const SHORTEST_RUN_MS = 300_000;
/** Floors must leave room for evidence. */
const FLOOR_SHARE = 0.5;

class PauseBudget {
  constructor(share) {
    this.share = share;
    this.startedAt = now();
    this.floorMs = 0;
    this.captureMs = 0;
    this.pausedMs = 0;
  }

  /** A pause as the clock has it; what it costs is kept by its kind. */
  paused({ wallMs }) {
    this.pausedMs += wallMs;
  }

  elapsedMs() {
    return now() - this.startedAt;
  }

  /** Time that the worker had for itself. */
  workedMs() {
    return this.elapsedMs() - this.pausedMs;
  }

  totalMs() {
    return this.share * Math.max(this.elapsedMs(), SHORTEST_RUN_MS);
  }

  floorFits(predictedMs) {
    return this.floorMs + predictedMs <= FLOOR_SHARE * this.totalMs() && this.captureFits(predictedMs);
  }

  captureFits(predictedMs) {
    return this.floorMs + this.captureMs + predictedMs <= this.totalMs();
  }
}

module.exports = { PauseBudget };
