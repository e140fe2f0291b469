'use strict';
// The isolates of one process: the main thread may run the jobs while the heap that grows is a worker thread's.
//
// A thread without jobs of its own takes floors against the process's job counts, and evidence when the main thread
// takes it, if its own floor has grown. On the way out the main thread gives such threads a moment.

const threads = require('node:worker_threads');

const now = performance.now.bind(performance);

const POLL_MS = 50;
/** Less than this and the thread's heap is not what is growing. */
const GROWTH_BYTES = 256 << 10;
/** Jobs that overlap leave no quiet moment to a thread: wait this long for one. */
const PATIENCE_MS = 500;
/** How long the main thread waits on its way out for a grown thread's evidence. */
const LAST_WAIT_MS = 1500;

class Siblings {
  constructor({ shared, floors, capture, jobs, flush }) {
    Object.assign(this, { shared, floors, capture, jobs, flush });
    this.timer = null;
    this.busySince = null;
    this.onWorker = (worker) => this.noteWorker(worker);
  }

  start(poll) {
    process.on('worker', this.onWorker);
    if (threads.isMainThread) return;
    this.timer = setInterval(poll, POLL_MS);
    this.timer.unref();
  }

  /** A thread that is terminated says nothing; its parent does. */
  noteWorker(worker) {
    const { threadId } = worker;
    worker.once('exit', () => this.shared.release(threadId));
  }

  /** The main thread took evidence. */
  request() {
    this.shared.requestCapture();
  }

  /** In a thread: serves a pending request. */
  poll() {
    this.shared.setGrown(this.grown());
    const request = this.shared.captureRequests();
    if (this.shared.served() >= request || !this.calm()) return;
    if (this.grown() && this.jobs.started === 0) this.capture.take('scheduled', this.shared.inFlight());
    // Once served, the main thread may end the process.
    this.flush();
    this.shared.serve(request);
  }

  calm() {
    if (this.shared.inFlight() === 0) {
      this.busySince = null;
      return true;
    }
    this.busySince ??= now();
    if (now() - this.busySince < PATIENCE_MS) return false;
    this.busySince = null;
    return true;
  }

  grown() {
    const { first, last } = this.floors;
    if (first === null || last === first || this.jobs.started > 0) return false;
    return last.heapUsed + last.external - first.heapUsed - first.external > GROWTH_BYTES;
  }

  /** The main thread, on its way out. */
  awaitLast() {
    const request = this.shared.requestCapture();
    const deadline = now() + LAST_WAIT_MS;
    while (this.shared.awaits(request) && now() < deadline) this.shared.sleep(10);
  }

  stop() {
    clearInterval(this.timer);
    process.removeListener('worker', this.onWorker);
  }
}

module.exports = { Siblings };
