'use strict';
// Counts that all isolates of a process see, in one small SharedArrayBuffer handed to threads as environment data.
//
// Each isolate owns a row and is its only writer, so no count needs an atomic operation on a job's path.

const threads = require('node:worker_threads');

/** The main thread and eight worker threads; further ones share nothing. */
const ISOLATES = 9;
const CLASSES = 64;
const NAME_BYTES = 64;
const HEADER_WORDS = 16;
const ROW_WORDS = 8 + CLASSES;

// Header words (Int32).
const LOCK = 0;
const TAKEN_ROWS = 1;
const CLASS_COUNT = 2;
const OVERFLOW = 3;
const REQUEST = 4;
const READING = 5;
const ENDING = 6;

// Row words (Float64).
const IN_FLIGHT = 0;
const STARTED = 1;
const DONE = 2;
const THREAD = 3;
const GROWN = 4;
const SERVED = 5;
const FIRST_CLASS = 8;

const HEADER_BYTES = HEADER_WORDS * 4;
const ROWS_BYTES = ISOLATES * ROW_WORDS * 8;
const TOTAL_BYTES = HEADER_BYTES + ROWS_BYTES + CLASSES * (NAME_BYTES + 1);

class Shared {
  constructor(buffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(TOTAL_BYTES);
    this.header = new Int32Array(this.buffer, 0, HEADER_WORDS);
    this.rows = new Float64Array(this.buffer, HEADER_BYTES, ISOLATES * ROW_WORDS);
    this.names = new Uint8Array(this.buffer, HEADER_BYTES + ROWS_BYTES);
    this.index = this.takeRow();
    this.member = this.index >= 0;
    this.row = this.member ? this.rowAt(this.index) : new Float64Array(ROW_WORDS);
    this.knownNames = [];
    this.row[IN_FLIGHT] = 0;
    this.row[GROWN] = 0;
    this.row[SERVED] = this.captureRequests();
    this.row[THREAD] = threads.threadId;
  }

  /** A free row's index, or -1. Counts of an ended thread stay in its row and are counted on. */
  takeRow() {
    for (;;) {
      const taken = Atomics.load(this.header, TAKEN_ROWS);
      let index = threads.isMainThread ? 0 : 1;
      while (index < ISOLATES && (taken & (1 << index)) !== 0) index += 1;
      if (index === ISOLATES) return -1;
      if (Atomics.compareExchange(this.header, TAKEN_ROWS, taken, taken | (1 << index)) === taken) return index;
    }
  }

  rowAt(index) {
    return this.rows.subarray(index * ROW_WORDS, (index + 1) * ROW_WORDS);
  }

  /** A thread has ended, with or without a word: its jobs are in flight no more. */
  release(threadId) {
    for (let index = 1; index < ISOLATES; index += 1) {
      const row = this.rowAt(index);
      if (row[THREAD] !== threadId || (Atomics.load(this.header, TAKEN_ROWS) & (1 << index)) === 0) continue;
      row[IN_FLIGHT] = 0;
      row[GROWN] = 0;
      Atomics.and(this.header, TAKEN_ROWS, ~(1 << index));
    }
  }

  inFlight() {
    return this.sum(IN_FLIGHT);
  }

  done() {
    return this.sum(DONE);
  }

  sum(word) {
    if (!this.member) return this.row[word];
    let total = 0;
    for (let index = 0; index < ISOLATES; index += 1) total += this.rows[index * ROW_WORDS + word];
    return total;
  }

  /** The word of this isolate's row that counts the class, or -1 if there is no room for it. */
  slotOf(name) {
    const bytes = Buffer.from(name, 'utf8');
    if (!this.member || bytes.length === 0 || bytes.length > NAME_BYTES) return this.noRoom();
    while (Atomics.compareExchange(this.header, LOCK, 0, 1) !== 0) Atomics.wait(this.header, LOCK, 1, 1);
    try {
      const index = this.findOrAddName(bytes, name);
      return index < 0 ? this.noRoom() : FIRST_CLASS + index;
    } finally {
      Atomics.store(this.header, LOCK, 0);
      Atomics.notify(this.header, LOCK, 1);
    }
  }

  noRoom() {
    Atomics.store(this.header, OVERFLOW, 1);
    return -1;
  }

  findOrAddName(bytes, name) {
    const known = this.classNames();
    const index = known.indexOf(name);
    if (index >= 0) return index;
    if (known.length >= CLASSES) return -1;
    const offset = known.length * (NAME_BYTES + 1);
    this.names[offset] = bytes.length;
    this.names.set(bytes, offset + 1);
    Atomics.store(this.header, CLASS_COUNT, known.length + 1);
    return known.length;
  }

  classNames() {
    const count = Atomics.load(this.header, CLASS_COUNT);
    for (let index = this.knownNames.length; index < count; index += 1) {
      const offset = index * (NAME_BYTES + 1);
      const bytes = this.names.slice(offset + 1, offset + 1 + this.names[offset]);
      this.knownNames.push(Buffer.from(bytes).toString('utf8'));
    }
    return this.knownNames;
  }

  /** Completed jobs per class over all isolates, or null if some class had no room here. */
  doneByClass() {
    if (!this.member || Atomics.load(this.header, OVERFLOW) !== 0) return null;
    const done = {};
    this.classNames().forEach((name, index) => (done[name] = this.sum(FIRST_CLASS + index)));
    return done;
  }

  /** Asks the threads of the process for evidence of their own heaps. Returns the request's number. */
  requestCapture() {
    return Atomics.add(this.header, REQUEST, 1) + 1;
  }

  captureRequests() {
    return Atomics.load(this.header, REQUEST);
  }

  /** This isolate's answers to requests, and whether it has grown enough to answer with evidence. */
  serve(request) {
    this.row[SERVED] = request;
    Atomics.notify(this.header, REQUEST);
  }

  served() {
    return this.row[SERVED];
  }

  setGrown(grown) {
    this.row[GROWN] = grown ? 1 : 0;
  }

  /** Has any thread that grew yet to serve the request? */
  awaits(request) {
    const taken = Atomics.load(this.header, TAKEN_ROWS);
    for (let index = 1; index < ISOLATES; index += 1) {
      const row = this.rowAt(index);
      if ((taken & (1 << index)) !== 0 && row[GROWN] === 1 && row[SERVED] < request) return true;
    }
    return false;
  }

  /** From here on no read of the main thread begins. */
  setEnding() {
    Atomics.store(this.header, ENDING, 1);
  }

  isRead() {
    return Atomics.load(this.header, READING) !== 0;
  }

  sleep(ms) {
    Atomics.wait(this.header, REQUEST, this.captureRequests(), ms);
  }
}

/** For a thread that only watches and has no row of its own: jobs in flight in the main thread. */
function inFlightOf(buffer) {
  return new Float64Array(buffer, HEADER_BYTES, ROW_WORDS)[IN_FLIGHT];
}

/** The same for jobs started. */
function startedOf(buffer) {
  return new Float64Array(buffer, HEADER_BYTES, ROW_WORDS)[STARTED];
}

/** The watching thread is about to open a session with the main thread. False if the process is ending. */
function beginReading(buffer) {
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  Atomics.store(header, READING, 1);
  if (Atomics.load(header, ENDING) === 0) return true;
  Atomics.store(header, READING, 0);
  return false;
}

function endReading(buffer) {
  Atomics.store(new Int32Array(buffer, 0, HEADER_WORDS), READING, 0);
}

module.exports = { Shared, beginReading, endReading, inFlightOf, startedOf, words: { IN_FLIGHT, STARTED, DONE } };
