'use strict';
// V8's sampling heap profiler, live objects only, through an inspector session of this very thread.

const path = require('node:path');

/** Stacks sent at most, the largest first. */
const STACK_LIMIT = 500;
const FRAME_LIMIT = 64;
/** Files of ours under which the worker's code runs. */
const WRAPPERS = new Set(['jobs.cjs', 'emitters.cjs', 'libraries.cjs']);

class Profile {
  constructor({ intervalBytes, ownDirectory, send, jobsDone }) {
    Object.assign(this, { intervalBytes, ownDirectory, send, jobsDone });
    this.session = null;
  }

  start() {
    if (this.intervalBytes === null || this.session !== null) return;
    const { Session } = require('node:inspector');
    const session = new Session();
    session.connect();
    session.post('HeapProfiler.startSampling', { samplingInterval: this.intervalBytes });
    this.session = session;
  }

  /** Sends what is alive now; worth most right after a collection. */
  report() {
    if (this.session === null) return;
    this.session.post('HeapProfiler.getSamplingProfile', (error, result) => {
      if (error) return;
      this.send({
        type: 'profile',
        t: Date.now() / 1000,
        jobs: this.jobsDone(),
        interval_bytes: this.intervalBytes,
        stacks: stacksOf(result.profile, this.ownDirectory),
      });
    });
  }

  stop() {
    if (this.session === null) return;
    this.session.disconnect();
    this.session = null;
  }
}

/** The profile's tree as stacks, largest first, innermost frame first; our own frames left out. */
function stacksOf(profile, ownDirectory) {
  const counts = sampleCounts(profile);
  const stacks = new Map();
  const open = [{ node: profile.head, at: null, underOwn: false }];
  while (open.length > 0) {
    const { node, at, underOwn } = open.pop();
    const own = node === profile.head ? 'outside' : ownership(node.callFrame, ownDirectory, underOwn);
    if (own === 'ours') continue;
    const here = own === 'theirs' ? { frame: frameText(node.callFrame), outer: at } : at;
    if (own === 'theirs' && node.selfSize > 0) addStack(stacks, framesOf(here), node.selfSize, counts.get(node.id) ?? 0);
    for (const child of node.children) open.push({ node: child, at: here, underOwn: own === 'own' });
  }
  return [...stacks.values()].sort((a, b) => b.bytes - a.bytes).slice(0, STACK_LIMIT);
}

/** The same stack reached with and without our frames in it is one stack. */
function addStack(stacks, frames, bytes, count) {
  const key = frames.join('\n');
  const stack = stacks.get(key) ?? { bytes: 0, count: 0, frames };
  stack.bytes += bytes;
  stack.count += count;
  stacks.set(key, stack);
}

/** What we allocate for ourselves is left out; our wrappers around the worker's own calls are seen through. */
function ownership(callFrame, ownDirectory, underOwn) {
  const { url } = callFrame;
  const at = url.startsWith('file://') ? url.slice(7) : url;
  if (at.startsWith(ownDirectory)) return WRAPPERS.has(path.basename(at)) ? 'own' : 'ours';
  return underOwn && url === 'node:async_hooks' ? 'own' : 'theirs';
}

function sampleCounts(profile) {
  const counts = new Map();
  for (const sample of profile.samples ?? []) counts.set(sample.nodeId, (counts.get(sample.nodeId) ?? 0) + sampleCount(sample));
  return counts;
}

/** V8 leaves the count out of older profiles: each entry is then one sample. */
function sampleCount(sample) {
  return typeof sample.count === 'number' ? sample.count : 1;
}

function framesOf(at) {
  const frames = [];
  for (let frame = at; frame !== null && frames.length < FRAME_LIMIT; frame = frame.outer) frames.push(frame.frame);
  return frames;
}

function frameText({ functionName, url, lineNumber, columnNumber }) {
  const name = functionName || '(anonymous)';
  const file = url.startsWith('file://') ? decodeURI(url.slice(7)) : url;
  return file === '' ? name : `${name} ${file}:${lineNumber + 1}:${columnNumber + 1}`;
}

module.exports = { Profile, stacksOf };
