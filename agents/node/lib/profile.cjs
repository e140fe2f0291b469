'use strict';
// V8's sampling heap profiler, live objects only, through an inspector session of this very thread.

/** Stacks sent at most, the largest first. */
const STACK_LIMIT = 500;
const FRAME_LIMIT = 64;

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

/** The profile's tree as stacks, largest first, innermost frame first; stacks that end in our own code left out. */
function stacksOf(profile, ownDirectory) {
  const stacks = [];
  const open = [{ node: profile.head, frames: null }];
  while (open.length > 0) {
    const { node, frames } = open.pop();
    const own = isOwn(node.callFrame, ownDirectory);
    const at = node === profile.head || own ? frames : { frame: frameText(node.callFrame), outer: frames };
    if (!own && node.selfSize > 0) stacks.push({ node, at });
    for (const child of node.children) open.push({ node: child, frames: at });
  }
  stacks.sort((a, b) => b.node.selfSize - a.node.selfSize);
  const counts = sampleCounts(profile);
  return stacks.slice(0, STACK_LIMIT).map(({ node, at }) => ({
    bytes: node.selfSize,
    count: counts.get(node.id) ?? 0,
    frames: framesOf(at),
  }));
}

function isOwn(callFrame, ownDirectory) {
  return callFrame.url.startsWith(ownDirectory);
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
