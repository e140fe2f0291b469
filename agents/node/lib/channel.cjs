'use strict';
// The line to Plimsoll: newline-delimited JSON over a Unix socket.
//
// Writes go straight to the non-blocking descriptor, so that one path serves both the running worker
// and the last words at exit, and no stream can buffer without bound. What does not fit is dropped and counted.

const fs = require('node:fs');
const net = require('node:net');

// Taken at load: workers and their tests replace `fs` functions.
const { writeSync } = fs;
const now = performance.now.bind(performance);

/** Room for about a minute of records while Plimsoll does not read. */
const ORDINARY_LIMIT_BYTES = 1 << 20;
/** Records that carry the result (evidence, profiles, counts at exit) may use more. */
const IMPORTANT_LIMIT_BYTES = 8 << 20;
/** The protocol's longest line. */
const LINE_LIMIT_BYTES = 1 << 20;
/** Commands are short; a longer line is not from Plimsoll. */
const COMMAND_LIMIT_BYTES = 1 << 16;

class Channel {
  constructor(path, onCommand, onGone) {
    this.open = true;
    this.dropped = 0;
    this.lines = [];
    this.pendingBytes = 0;
    this.partial = null;
    this.onGone = onGone;
    this.sleeper = new Int32Array(new SharedArrayBuffer(4));
    this.socket = net.connect({ path });
    this.socket.unref();
    this.socket.on('error', () => this.close());
    this.socket.on('close', () => this.close());
    readLines(this.socket, onCommand);
  }

  /** Queues a record. False if it did not fit and was dropped. */
  send(record, important = false) {
    if (!this.open) return false;
    const line = JSON.stringify(record) + '\n';
    const limit = important ? IMPORTANT_LIMIT_BYTES : ORDINARY_LIMIT_BYTES;
    if (line.length > LINE_LIMIT_BYTES || this.pendingBytes + line.length > limit) {
      this.dropped += 1;
      return false;
    }
    this.lines.push(line);
    this.pendingBytes += line.length;
    return true;
  }

  /** Writes what the socket takes without waiting. True once nothing is left. */
  flush() {
    while (this.open && (this.partial !== null || this.lines.length > 0)) {
      this.partial ??= this.takeLines();
      if (!this.writePartial()) return false;
    }
    return true;
  }

  /** The last words: waits for room in the socket, but never longer than `limitMs`. */
  flushBlocking(limitMs) {
    const deadline = now() + limitMs;
    while (this.open && !this.flush() && now() < deadline) Atomics.wait(this.sleeper, 0, 0, 1);
  }

  takeLines() {
    const bytes = Buffer.from(this.lines.join(''), 'utf8');
    this.lines.length = 0;
    this.pendingBytes = bytes.length;
    return bytes;
  }

  writePartial() {
    const fd = this.socket._handle?.fd;
    if (!(fd >= 0)) return false;
    try {
      const written = writeSync(fd, this.partial, 0, this.partial.length);
      this.pendingBytes -= written;
      this.partial = written < this.partial.length ? this.partial.subarray(written) : null;
      return this.partial === null;
    } catch (error) {
      if (error.code !== 'EAGAIN') this.close();
      return false;
    }
  }

  close() {
    if (!this.open) return;
    this.open = false;
    this.lines.length = 0;
    this.partial = null;
    this.pendingBytes = 0;
    this.socket.destroy();
    this.onGone();
  }
}

function readLines(socket, onCommand) {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (text) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop();
    if (rest.length > COMMAND_LIMIT_BYTES) rest = '';
    for (const line of lines) deliver(line, onCommand);
  });
}

function deliver(line, onCommand) {
  try {
    onCommand(JSON.parse(line));
  } catch {
    // Not a command of this protocol: both sides ignore what they do not know.
  }
}

module.exports = { Channel };
