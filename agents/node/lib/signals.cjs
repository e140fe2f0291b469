'use strict';
// Last evidence when SIGINT or SIGTERM is about to end the worker.
//
// Ours listens only while nobody else does: libraries count the listeners of a signal to decide whether to
// end the process. When ours was the only one, the signal is sent again so that the exit status is the same.

const SIGNALS = ['SIGINT', 'SIGTERM'];

class Signals {
  constructor(onSignal) {
    this.onSignal = onSignal;
    this.listeners = new Map();
    this.started = false;
    this.onAdded = (name, listener) => this.yieldTo(name, listener);
    this.own = new WeakSet();
    this.onRemoved = (name, listener) => this.own.has(listener) || this.comeBack(name);
  }

  start() {
    if (this.started) return;
    this.started = true;
    // Before Node's own listener: it starts to catch a signal on the first listener and stops with the last one.
    process.prependListener('newListener', this.onAdded);
    process.on('removeListener', this.onRemoved);
    for (const name of SIGNALS) this.comeBack(name);
  }

  comeBack(name) {
    if (!this.started || !SIGNALS.includes(name) || this.listeners.has(name) || process.listenerCount(name) > 0) return;
    const listener = () => this.handle(name);
    this.own.add(listener);
    this.listeners.set(name, listener);
    process.on(name, listener);
  }

  yieldTo(name, listener) {
    const ours = this.listeners.get(name);
    if (ours === undefined || listener === ours) return;
    this.remove(name);
  }

  remove(name) {
    const ours = this.listeners.get(name);
    this.listeners.delete(name);
    process.removeListener(name, ours);
  }

  handle(name) {
    const alone = process.listenerCount(name) === 1;
    this.stop();
    if (!alone) return;
    try {
      this.onSignal(name);
    } finally {
      process.kill(process.pid, name);
    }
  }

  stop() {
    if (!this.started) return;
    this.started = false;
    process.removeListener('newListener', this.onAdded);
    process.removeListener('removeListener', this.onRemoved);
    for (const name of [...this.listeners.keys()]) this.remove(name);
  }
}

module.exports = { Signals };
