'use strict';
// Peaks caught in the act: the thread that watches. It wakes ten times a second, reads one small file of /proc,
// and only when resident memory has risen far above its low since the present jobs began does it ask the main
// thread for its sampling profile, which V8 answers even from the middle of a long synchronous call.

const { Session } = require('node:inspector');
const { workerData } = require('node:worker_threads');
const { beginReading, endReading, inFlightOf, startedOf } = require('./shared.cjs');

const LOOK_MS = 100;
/** Below this a rise is what any worker does. */
const RISE_BYTES = 64 << 20;
const RISE_SHARE = 0.5;
/** A read stops the main thread for some 50 ms. */
const READ_GAP_MS = 500;
const HIGHER_SHARE = 1.25;
/** Where jobs always overlap there is no moment without any: the low of the last ten seconds stands in. */
const LOW_WINDOW_LOOKS = 100;

const { port, shared } = workerData;
const readRssBytes = process.memoryUsage.rss;

let reading = false;
let episode = 0;
let lows = [];
let idleStarted = -1;
let lastReadAt = 0;
let lastReadBytes = 0;

function look() {
  const rssBytes = readRssBytes();
  if (inFlightOf(shared) === 0) rest(rssBytes);
  lows.push(rssBytes);
  if (lows.length > LOW_WINDOW_LOOKS) lows.shift();
  const lowBytes = Math.min(...lows);
  const risenBytes = rssBytes - lowBytes;
  if (risenBytes > Math.max(RISE_BYTES, RISE_SHARE * lowBytes)) rise(rssBytes, risenBytes);
}

/** No job in flight: whatever comes next is a new episode over this level. */
function rest(rssBytes) {
  const started = startedOf(shared);
  if (started !== idleStarted && lastReadBytes > 0) {
    episode += 1;
    lastReadBytes = 0;
  }
  idleStarted = started;
  lows = [rssBytes];
}

function rise(rssBytes, risenBytes) {
  const at = performance.timeOrigin + performance.now();
  if (reading || at - lastReadAt < READ_GAP_MS || rssBytes < HIGHER_SHARE * lastReadBytes) return;
  if (inFlightOf(shared) === 0) return;
  reading = true;
  lastReadAt = at;
  lastReadBytes = rssBytes;
  readProfile((profile) => {
    reading = false;
    lastReadAt = performance.timeOrigin + performance.now();
    if (profile !== null) port.postMessage({ episode, at, risenBytes, profile });
  });
}

/** Connected only for the read: a session that is open when the process ends makes Node print and wait. */
function readProfile(done) {
  if (!beginReading(shared)) return;
  const session = new Session();
  session.connectToMainThread();
  session.post('HeapProfiler.getSamplingProfile', (error, result) => {
    session.disconnect();
    endReading(shared);
    done(error ? null : result.profile);
  });
}

setInterval(look, LOOK_MS);
