'use strict';
// Peaks caught in the act: the side in the worker's own thread.
//
// While a job parses something huge, this thread is busy and cannot look at itself. A small thread of ours watches
// resident memory and reads the sampling profile from outside; what it saw is joined here with the job that ran.

const path = require('node:path');
const { MessageChannel, Worker, receiveMessageOnPort } = require('node:worker_threads');
const { OWN_THREAD } = require('./config.cjs');
const { stacksOf } = require('./profile.cjs');
const { text } = require('./counters.cjs');

const now = performance.now.bind(performance);

/** Jobs shorter than this end between two looks of the watching thread. */
const JOINABLE_MS = 30;
const JOINABLE_JOBS = 64;
/** How long a peak waits for the job that made it to end. */
const JOIN_WAIT_MS = 60_000;
/** A read under way at exit is let finish: Node would wait for it all the same, and say so on stderr. */
const READ_WAIT_MS = 500;
const PENDING_LIMIT = 16;
const STACK_LIMIT = 100;

class Spikes {
  constructor({ shared, ownDirectory, send, jobs }) {
    Object.assign(this, { shared, ownDirectory, send, jobs });
    this.worker = null;
    this.recent = [];
    this.pending = new Map();
  }

  /** Once, at the first job. The thread starts beside us; this side pays a millisecond or two. */
  start() {
    if (this.worker !== null) return;
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.worker = new Worker(path.join(__dirname, 'spike-thread.cjs'), {
      name: 'plimsoll',
      env: { [OWN_THREAD]: '1' },
      execArgv: [],
      stdin: false,
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4, stackSizeMb: 1 },
      workerData: { shared: this.shared.buffer, port: port2 },
      transferList: [port2],
    });
    this.worker.on('error', () => this.stop());
    this.port.on('message', (seen) => this.note(seen));
    this.worker.unref();
    this.port.unref();
  }

  /** Remembers a job long enough to have been seen, from the end of each. */
  noteJob(run, endedAt, peakBytes) {
    if (this.worker === null || endedAt - run.startedAt < JOINABLE_MS) return;
    this.recent.push({
      class: run.counters.name,
      id: text(run.meta?.id),
      payloadBytes: typeof run.meta?.payloadBytes === 'number' ? run.meta.payloadBytes : null,
      startedAt: performance.timeOrigin + run.startedAt,
      endedAt: performance.timeOrigin + endedAt,
      peakBytes,
    });
    if (this.recent.length > JOINABLE_JOBS) this.recent.shift();
  }

  /** The watching thread read a profile; later reads of the same episode are higher. */
  note(seen) {
    this.pending.set(seen.episode, { ...seen, receivedAt: now() });
    if (this.pending.size > PENDING_LIMIT) this.pending.delete(this.pending.keys().next().value);
  }

  /** Sends the peaks whose job is known or will not be. */
  settle(everything) {
    for (const [episode, seen] of this.pending) {
      const job = this.jobAt(seen.at);
      const over = this.jobs.inFlight === 0 || now() - seen.receivedAt > JOIN_WAIT_MS;
      if (!everything && !over && job === null) continue;
      this.pending.delete(episode);
      this.report(seen, job);
    }
  }

  jobAt(at) {
    let best = null;
    for (const job of this.recent) {
      if (at < job.startedAt || at > job.endedAt) continue;
      if (best === null || job.peakBytes > best.peakBytes) best = job;
    }
    return best;
  }

  report(seen, job) {
    this.send({
      type: 'spike',
      t: seen.at / 1000,
      class: job?.class ?? null,
      id: job?.id ?? null,
      payload_bytes: job?.payloadBytes ?? null,
      peak_bytes: Math.max(job?.peakBytes ?? 0, job === null ? seen.risenBytes : 0),
      rss_risen_bytes: seen.risenBytes,
      stacks: stacksOf(seen.profile, this.ownDirectory).slice(0, STACK_LIMIT),
    });
  }

  /** At exit nothing is delivered any more: take what has arrived. */
  finish() {
    if (this.worker === null) return;
    this.shared.setEnding();
    const deadline = now() + READ_WAIT_MS;
    // Short sleeps: the read is an interrupt that V8 lets in between them.
    while (this.shared.isRead() && now() < deadline) this.shared.sleep(1);
    for (let message = receiveMessageOnPort(this.port); message !== undefined; message = receiveMessageOnPort(this.port)) this.note(message.message);
    this.settle(true);
  }

  /** The resources that belong to us, for leaving them out of the worker's. */
  resources() {
    return this.worker === null ? {} : { MessagePort: 4, Worker: 1 };
  }

  stop() {
    if (this.worker === null) return;
    this.port.close();
    this.worker.terminate();
    this.worker = null;
  }
}

module.exports = { Spikes };
