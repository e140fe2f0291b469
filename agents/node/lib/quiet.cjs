'use strict';
// The quiet moments between jobs: when a floor or evidence may be taken, and how one is come by in a busy worker.
//
// Best is a job's start with no other job in flight: the previous job's objects are gone. A worker that is idle is
// looked at from a timer. Where jobs overlap and holding is allowed, new starts of asynchronous jobs wait behind
// a gate up to a deadline; past it the reading is taken with those still in flight, and says how many.

const now = performance.now.bind(performance);

/** No hold is longer, whatever the jobs: a nested job may be waiting for one that is held. */
const LONGEST_HOLD_MS = 250;
const HOLD_IN_JOBS = 10;
/** While a quiet moment is awaited each start would look; once a millisecond is enough. */
const LOOK_AGAIN_MS = 1;
const RELAX_MS = 1000;

class Quiet {
  constructor({ shared, floors, capture, budget, holdAllowed, scope, onReached }) {
    Object.assign(this, { shared, floors, capture, budget, holdAllowed, scope, onReached });
    this.jobs = null;
    this.lookAt = Infinity;
    this.lookJobs = Infinity;
    this.waiting = false;
    this.waitingSince = 0;
    this.fewest = Infinity;
    this.gate = null;
    this.scheduled = false;
    this.limitReached = false;
    this.limitTaken = false;
  }

  /** The promise that a start must wait for, or null. */
  gateFor(counters) {
    if (this.gate === null || !counters.asynchronous) return null;
    // A held job may be all that the worker has to do: the loop must not end before its release.
    this.gate.timer?.ref();
    return this.gate.promise;
  }

  atJobStart() {
    this.look(this.shared.inFlight());
  }

  /** From a timer or after the last job in flight ended. */
  idle() {
    if (this.shared.inFlight() === 0) this.look(0);
    else if (this.waiting) this.look(this.shared.inFlight());
  }

  /** Looks once the stack is empty: the job that has just ended still holds its result. */
  soon() {
    if (this.scheduled) return;
    this.scheduled = true;
    this.scope(() => {
      const look = setImmediate(() => {
        this.scheduled = false;
        this.idle();
      });
      if (this.gate === null) look.unref();
    });
  }

  look(inFlight) {
    const due = this.due();
    if (due === null) this.relax();
    else if (inFlight === 0 || this.pastDeadline(inFlight)) this.take(due, inFlight);
    else this.wait(inFlight);
  }

  relax() {
    if (!this.limitTaken) this.endWaiting();
    this.settle();
  }

  due() {
    if (this.limitReached && !this.limitTaken) return 'limit';
    const done = this.shared.done();
    if (this.capture.due(done)) return 'capture';
    return this.floors.due(done) ? 'floor' : null;
  }

  take(due, inFlight) {
    this.endWaiting();
    this.jobs.forgetLast();
    if (due === 'limit') this.takeLimit(inFlight);
    else if (due === 'capture') this.capture.take(this.capture.reason(), inFlight);
    else this.floors.take(inFlight);
    this.settle();
  }

  takeLimit(inFlight) {
    this.limitTaken = true;
    this.capture.takeFinal(inFlight);
    this.onReached();
    this.shut();
  }

  settle() {
    const done = this.shared.done();
    const next = Math.min(this.floors.nextAt(), this.capture.nextAt(done));
    this.lookAt = Math.max(next, now() + LOOK_AGAIN_MS);
    const elsewhere = done - this.jobs.done;
    this.lookJobs = this.capture.nextJobs(done) - elsewhere;
    // While others count too, look at half the way: their pace is not ours to know.
    if (elsewhere > 0) this.lookJobs = this.jobs.done + (this.lookJobs - this.jobs.done) / 2;
  }

  wait(inFlight) {
    if (!this.waiting) {
      this.waiting = true;
      this.waitingSince = now();
      this.fewest = Infinity;
    }
    this.fewest = Math.min(this.fewest, inFlight);
    this.lookAt = now() + LOOK_AGAIN_MS;
    this.lookJobs = Infinity;
    if (this.mayHold()) this.openGate();
  }

  mayHold() {
    if (!this.holdAllowed || this.gate !== null) return false;
    if (this.limitReached) return true;
    const overdue = this.capture.due(this.shared.done()) || this.floors.overdue();
    return overdue && this.budget.captureFits(this.deadlineMs());
  }

  openGate() {
    if (this.gate !== null) return;
    let release;
    const promise = new Promise((resolve) => (release = resolve));
    const gate = { promise, release, since: now(), timer: null };
    // After the limit the gate stays shut: there is nothing left to wait for.
    if (!this.limitTaken) this.scope(() => (gate.timer = setTimeout(() => this.idle(), this.deadlineMs() + 1).unref()));
    this.gate = gate;
  }

  endWaiting() {
    this.waiting = false;
    if (this.gate === null) return;
    const { release, since, timer } = this.gate;
    this.gate = null;
    clearTimeout(timer);
    const wallMs = now() - since;
    this.budget.floorMs += wallMs;
    this.budget.paused({ wallMs });
    // The held jobs go on in a later microtask, so after the reading that they waited for.
    release();
  }

  deadlineMs() {
    return Math.min(LONGEST_HOLD_MS, HOLD_IN_JOBS * Math.max(1, this.jobs.meanMs()));
  }

  /** Held: the deadline of the hold. Not held: an equal wait, and no more in flight than the fewest seen. */
  pastDeadline(inFlight) {
    if (!this.waiting) return false;
    if (this.gate !== null) return now() - this.gate.since >= this.deadlineMs();
    const overdue = this.limitReached || this.floors.overdue() || this.capture.overdue();
    const waitedMs = now() - this.waitingSince;
    // The fewest seen may have been a rare moment: each second of waiting allows one more.
    const enough = this.fewest + Math.floor(waitedMs / RELAX_MS);
    return overdue && !this.mayHold() && waitedMs > LONGEST_HOLD_MS && inFlight <= enough;
  }

  /** No more asynchronous jobs, for good. */
  shut() {
    if (!this.holdAllowed) return;
    this.limitTaken = true;
    this.endWaiting();
    this.openGate();
  }

  reached() {
    if (this.limitReached) return;
    this.limitReached = true;
    this.lookAt = 0;
    this.wait(this.jobs.inFlight);
    this.soon();
  }

  stop() {
    this.endWaiting();
    this.lookAt = Infinity;
    this.lookJobs = Infinity;
  }
}

module.exports = { Quiet };
