'use strict';
// Sees emitters without patching any module's exports: the constructor looks up `EventEmitter.init` anew each
// time, so each class is met once, whatever module system loaded it; and listeners are counted only on emitters
// that are crowded.

const events = require('node:events');

const { EventEmitter, getEventListeners } = events;

/** Node itself warns at eleven. */
const CROWDED = 8;
const CENSUS_LIMIT = 64;
/** Reading an EventTarget's listeners walks a list: long ones are read more rarely. */
const LONG_LIST = 5000;
const LONG_LIST_EVERY = 10;

class Emitters {
  constructor(onClass) {
    this.onClass = onClass;
    this.seen = new WeakSet();
    this.census = [];
    this.added = new WeakMap();
    this.round = 0;
    this.undo = [];
    this.on = true;
  }

  patch() {
    const emitters = this;
    const prototype = EventEmitter.prototype;
    const { init } = EventEmitter;
    this.replace(EventEmitter, 'init', function (options) {
      init.call(this, options);
      if (emitters.on) emitters.meet(this);
    });
    const { addListener, prependListener } = prototype;
    const counted = {
      addListener(type, listener) {
        // Old-style heirs never call the constructor.
        if (emitters.on && this?._events === undefined) emitters.meet(this);
        const result = addListener.call(this, type, listener);
        if (emitters.on) emitters.noteListeners(this, type);
        return result;
      },
      prependListener(type, listener) {
        // Old-style heirs never call the constructor.
        if (emitters.on && this?._events === undefined) emitters.meet(this);
        const result = prependListener.call(this, type, listener);
        if (emitters.on) emitters.noteListeners(this, type);
        return result;
      },
    };
    this.replace(prototype, 'addListener', counted.addListener);
    this.replace(prototype, 'on', counted.addListener);
    this.replace(prototype, 'prependListener', counted.prependListener);
    this.patchTargets();
  }

  patchTargets() {
    const emitters = this;
    const { addEventListener } = EventTarget.prototype;
    const counted = {
      addEventListener(type, listener) {
        const result = addEventListener.apply(this, arguments);
        if (emitters.on) emitters.noteTarget(this, type);
        return result;
      },
    };
    this.replace(EventTarget.prototype, 'addEventListener', counted.addEventListener);
  }

  /** Keeps the descriptor's shape, and undoes only what nobody has replaced since. */
  replace(owner, name, replacement) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name);
    if (descriptor === undefined || !('value' in descriptor) || !descriptor.configurable) return;
    Object.defineProperty(replacement, 'name', { value: descriptor.value.name, configurable: true });
    Object.defineProperty(owner, name, { ...descriptor, value: replacement });
    this.undo.push(() => {
      if (owner[name] === replacement) Object.defineProperty(owner, name, descriptor);
    });
  }

  meet(emitter) {
    try {
      const { constructor } = emitter;
      if (typeof constructor !== 'function' || this.seen.has(constructor)) return;
      this.seen.add(constructor);
      this.onClass(constructor.prototype);
    } catch {
      // A constructor property that throws belongs to somebody else.
    }
  }

  /** An emitter that was there before us: its class, and its crowded events. */
  meetLive(emitter) {
    this.meet(emitter);
    const registered = emitter._events;
    if (registered === undefined || registered === null) return;
    for (const type of Reflect.ownKeys(registered)) this.noteListeners(emitter, type);
  }

  noteListeners(emitter, type) {
    const listeners = emitter._events?.[type];
    if (typeof listeners === 'object' && listeners.length >= CROWDED) this.add(emitter, type);
  }

  /** Counts additions only; the true number is looked up at each doubling. */
  noteTarget(target, type) {
    const added = (this.added.get(target) ?? 0) + 1;
    this.added.set(target, added);
    if (added < CROWDED || (added & (added - 1)) !== 0) return;
    if (getEventListeners(target, type).length >= CROWDED) this.add(target, type);
  }

  add(emitter, type) {
    const name = String(type);
    for (const entry of this.census) {
      if (entry.type === type && entry.ref.deref() === emitter) return;
    }
    if (this.census.length < CENSUS_LIMIT) this.census.push({ ref: new WeakRef(emitter), type, name, count: 0 });
  }

  /** Crowded emitters, grouped by class and event. */
  read() {
    this.round += 1;
    this.census = this.census.filter((entry) => this.refresh(entry));
    const groups = new Map();
    for (const entry of this.census) {
      const key = `${entry.emitter}\n${entry.name}`;
      const group = groups.get(key) ?? { emitter: entry.emitter, event: entry.name, count: 0 };
      group.count += entry.count;
      groups.set(key, group);
    }
    return [...groups.values()];
  }

  refresh(entry) {
    const emitter = entry.ref.deref();
    if (emitter === undefined) return false;
    entry.emitter = classOf(emitter);
    if (entry.count > LONG_LIST && this.round % LONG_LIST_EVERY !== 0 && emitter instanceof EventTarget) return true;
    entry.count = listenerCount(emitter, entry.type);
    return entry.count >= CROWDED;
  }

  stop() {
    this.on = false;
    for (const undo of this.undo) undo();
    this.census = [];
  }
}

function listenerCount(emitter, type) {
  if (emitter instanceof EventTarget) return getEventListeners(emitter, type).length;
  const listeners = emitter._events?.[type];
  if (listeners === undefined) return 0;
  return typeof listeners === 'function' ? 1 : listeners.length;
}

function classOf(emitter) {
  try {
    return String(emitter.constructor?.name || 'Object').slice(0, 100);
  } catch {
    return 'Object';
  }
}

module.exports = { Emitters, classOf };
