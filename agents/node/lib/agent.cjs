'use strict';
// Puts the parts together, owns the timer, and is the one place that can turn everything off again.

const { AsyncResource } = require('node:async_hooks');
const path = require('node:path');
const threads = require('node:worker_threads');
const v8 = require('node:v8');

const { PauseBudget } = require('./budget.cjs');
const { Capture } = require('./capture.cjs');
const { Channel } = require('./channel.cjs');
const { ENVIRONMENT_KEY } = require('./config.cjs');
const { Counters } = require('./counters.cjs');
const { Emitters, classOf } = require('./emitters.cjs');
const { Floors } = require('./floors.cjs');
const { Jobs, detail } = require('./jobs.cjs');
const { Libraries } = require('./libraries.cjs');
const { Memory } = require('./memory.cjs');
const { Profile } = require('./profile.cjs');
const { Quiet } = require('./quiet.cjs');
const { Sampler } = require('./sampler.cjs');
const { Scripts } = require('./scripts.cjs');
const { Shared } = require('./shared.cjs');
const { Siblings } = require('./siblings.cjs');
const { Signals } = require('./signals.cjs');
const { Spikes } = require('./spike.cjs');
const { subscribeTracing } = require('./tracing.cjs');

const now = performance.now.bind(performance);

const PROTOCOL = 1;
/** Job counts go out at this pace while they change. */
const TICK_MS = 250;
const TICKS_PER_SAMPLE = 4;
/** A worker on its way out waits no longer than this for Plimsoll to read. */
const FLUSH_MS = 300;
const TEXT_LIMIT = 4096;
const LONELY_MS = 2000;
/** Ordinary garbage between two collections stays below: V8's young generation is 16 MiB. */
const LARGE_PEAK_BYTES = 32 << 20;

class Agent {
  constructor(config) {
    this.config = config;
    this.on = true;
    this.ended = false;
    this.ticks = 0;
    this.ownMs = 0;
    this.heapAtStart = v8.getHeapStatistics().used_heap_size;
    const root = new AsyncResource('PlimsollAgent');
    this.scope = (fn) => root.runInAsyncScope(fn);
    this.guarded = (fn) => (...args) => this.guard(fn, args);
    this.send = (record, important) => this.channel.send(record, important);
    this.sendImportant = (record) => this.channel.send(record, true);
    this.build();
  }

  build() {
    const { config, sendImportant } = this;
    const ownDirectory = path.dirname(__dirname) + path.sep;
    this.channel = new Channel(config.socket, this.guarded((command) => this.obey(command)), () => this.disable());
    const shared = new Shared(config.shared);
    const memory = new Memory();
    const budget = new PauseBudget(config.pauseBudget);
    const counters = new Counters(shared);
    const onMeasured = (run, endedAt, failed, reading) => this.reportJob(run, endedAt, failed, reading);
    const onError = (error) => this.fail(error);
    const jobs = new Jobs({ counters, memory, shared, limit: config.jobs, onMeasured, onError });
    const floors = new Floors({ allowed: config.floors, memory, budget, shared, counters, send: sendImportant });
    const profile = new Profile({ intervalBytes: config.profileIntervalBytes, ownDirectory, send: sendImportant, jobsDone: () => shared.done() });
    this.scripts = new Scripts({ directory: config.evidenceDir, ownDirectory, send: sendImportant });
    this.spikes = new Spikes({ shared, ownDirectory, send: sendImportant, jobs });
    const capture = new Capture({ config, memory, budget, floors, jobs, shared, send: sendImportant, onFirst: () => this.scripts.report(), onTaken: () => this.captured() });
    floors.onTaken = () => capture.watchLimit(v8.getHeapStatistics());
    const quiet = new Quiet({ shared, floors, capture, budget, holdAllowed: config.holdJobStarts, scope: this.scope, onReached: () => this.reached() });
    jobs.quiet = quiet;
    quiet.jobs = jobs;
    quiet.settle();
    Object.assign(this, { shared, memory, budget, counters, jobs, floors, profile, capture, quiet });
    this.siblings = new Siblings({ shared, floors, capture, jobs, flush: () => this.channel.flushBlocking(FLUSH_MS) });
    this.buildHooks();
  }

  buildHooks() {
    const { memory, jobs, shared, channel } = this;
    this.libraries = new Libraries(jobs);
    this.emitters = new Emitters((prototype) => this.libraries.inspect(prototype));
    this.sampler = new Sampler({
      memory, emitters: this.emitters, jobs, shared, channel,
      ownCost: () => (this.ownMs + jobs.costMs) / 1000,
      ownBytes: () => this.ownBytes + channel.pendingBytes,
      ownResources: () => ({ PipeWrap: 1, ...this.spikes.resources() }),
    });
    this.signals = new Signals((name) => this.finish({ reason: 'signal', code: null, signal: name }));
    this.onExit = (code) => this.guard(() => this.finish({ reason: 'exit', code }), []);
    this.onWarning = (warning) => this.guard(() => this.reportWarning(warning), []);
  }

  start() {
    this.hello();
    this.memory.onMajor = (event) => this.reportMajor(event);
    this.emitters.patch();
    if (this.config.attached) require('./attach.cjs').meetLiveEmitters((emitter) => this.emitters.meetLive(emitter));
    this.offerApi();
    this.jobs.onFirst = () => this.firstJob();
    process.on('exit', this.onExit);
    process.on('warning', this.onWarning);
    if (threads.isMainThread) threads.setEnvironmentData(ENVIRONMENT_KEY, { config: this.config.raw, shared: this.shared.buffer });
    this.siblings.start(this.guarded(() => this.pollSiblings()));
    this.timer = setInterval(this.guarded(() => this.tick()), TICK_MS);
    this.timer.unref();
    // Before the first capture: what is ours and made later would look like growth.
    this.sampler.eventLoopDelay();
    this.floors.lastAt = -Infinity;
    this.startedAt = now();
    this.ownBytes = Math.max(0, v8.getHeapStatistics().used_heap_size - this.heapAtStart);
    this.channel.flush();
  }

  hello() {
    this.send({
      type: 'hello',
      t: Date.now() / 1000,
      protocol: PROTOCOL,
      runtime: 'node',
      runtime_version: process.versions.node,
      pid: process.pid,
      ppid: process.ppid,
      thread: threads.threadId,
      argv: process.argv.slice(0, 64).map((argument) => argument.slice(0, TEXT_LIMIT)),
      cwd: process.cwd(),
      main: process.argv[1] ?? null,
      heap_limit_bytes: v8.getHeapStatistics().heap_size_limit,
      started_at: performance.timeOrigin / 1000,
      attached: this.config.attached,
    }, true);
  }

  offerApi() {
    if ('plimsoll' in globalThis) return;
    const api = { job: this.jobs.job };
    Object.defineProperty(globalThis, 'plimsoll', { value: api, configurable: true, writable: true, enumerable: false });
    this.api = api;
    this.tracing = subscribeTracing(this.jobs);
  }

  /**
   * After each capture: what is alive by stack, and the threads' turn. The scripts are read before the first capture
   * and after the last, since V8 forgets the ids of all objects whenever an inspector session ends.
   */
  captured() {
    this.profile.report();
    if (this.ended || this.quiet.limitTaken) this.scripts.report();
    if (threads.isMainThread) this.siblings.request();
  }

  firstJob() {
    const startedAt = now();
    this.scope(() => {
      this.profile.start();
      if (!threads.isMainThread) return;
      this.signals.start();
      if (this.config.profileIntervalBytes !== null) this.spikes.start();
    });
    this.ownMs += now() - startedAt;
  }

  reportJob(run, endedAt, failed, reading) {
    // Every large peak is told, so that its culprit can be told from jobs that only ran beside it.
    if (run.detailed || reading.peakBytes >= LARGE_PEAK_BYTES) this.send(detail(run, endedAt, failed, reading));
    this.spikes.noteJob(run, endedAt, reading.peakBytes);
  }

  pollSiblings() {
    const startedAt = now();
    const pausedMs = this.budget.pausedMs;
    this.siblings.poll();
    this.ownMs += now() - startedAt - (this.budget.pausedMs - pausedMs);
  }

  tick() {
    const startedAt = now();
    const pausedMs = this.budget.pausedMs;
    this.ticks += 1;
    this.reportJobs();
    if (this.ticks % TICKS_PER_SAMPLE === 0) this.capture.watchLimit(this.sampler.sample());
    this.spikes.settle(false);
    this.memory.planWindow();
    this.lookForQuiet();
    this.channel.flush();
    this.ownMs += now() - startedAt - (this.budget.pausedMs - pausedMs);
  }

  lookForQuiet() {
    if (this.jobs.started > 0) this.quiet.idle();
    else if (this.mayTakeFloor() && this.floors.dueWithoutJobs()) this.floors.take(this.shared.inFlight());
  }

  /** Isolates that have no jobs around them may be wrappers that end at once: leave them alone at first. */
  mayTakeFloor() {
    return this.shared.done() > 0 || now() - this.startedAt > LONELY_MS;
  }

  reportJobs() {
    for (const classes of this.counters.takeChanged()) {
      if (!this.channel.send({ type: 'jobs', t: Date.now() / 1000, classes }, true)) this.counters.markChanged(classes);
    }
  }

  reportMajor({ pauseSeconds, usedBeforeBytes, liveBytes }) {
    this.send({
      type: 'gc',
      t: Date.now() / 1000,
      kind: 'major',
      pause_seconds: pauseSeconds,
      used_before_bytes: usedBeforeBytes,
      live_bytes: liveBytes,
      in_flight: this.jobs.inFlight,
    });
  }

  reportWarning(warning) {
    const emitter = warning?.emitter ?? warning?.target;
    this.send({
      type: 'warning',
      t: Date.now() / 1000,
      name: String(warning?.name).slice(0, 200),
      message: String(warning?.message).slice(0, TEXT_LIMIT),
      emitter: emitter ? classOf(emitter) : null,
      event: warning?.type === undefined ? null : String(warning.type).slice(0, 200),
      count: typeof warning?.count === 'number' ? warning.count : null,
    });
  }

  obey(command) {
    if (command.type === 'floor') this.floors.asked = true;
    else if (command.type === 'capture') this.capture.asked = true;
    else if (command.type === 'stop') this.stopJobs();
    else if (command.type === 'detach') this.detach();
    else return;
    this.quiet.lookAt = 0;
    if (this.on) this.scope(() => setImmediate(this.guarded(() => this.quiet.idle())).unref());
  }

  detach() {
    this.send({ type: 'bye', t: Date.now() / 1000, reason: 'detach', code: null }, true);
    this.channel.flushBlocking(FLUSH_MS);
    this.disable();
  }

  /** The job limit was reached and the last reading is taken. */
  reached() {
    this.reportJobs();
    const closing = this.closeLibraries();
    this.sendImportant({ type: 'reached', t: Date.now() / 1000, jobs: this.shared.done(), closing });
    this.channel.flushBlocking(FLUSH_MS);
  }

  stopJobs() {
    this.closeLibraries();
    this.quiet.shut();
  }

  closeLibraries() {
    const closing = this.libraries.close();
    closing?.then(this.guarded(() => {
      this.sendImportant({ type: 'closed', t: Date.now() / 1000 });
      this.channel.flush();
    }));
    return closing !== null;
  }

  /** Last words, once: final floor and evidence, counts, profile, good-bye. */
  finish({ reason, code, signal }) {
    if (this.ended || !this.on) return;
    this.ended = true;
    this.floors.final = true;
    if (this.jobs.started > 0 && !this.quiet.limitTaken) this.capture.takeFinal(this.shared.inFlight());
    else if (this.floors.first !== null) this.floors.take(this.shared.inFlight());
    if (threads.isMainThread) this.siblings.awaitLast();
    this.reportJobs();
    this.spikes.finish();
    if (this.quiet.limitReached && !this.quiet.limitTaken) this.reached();
    this.sampler.sample();
    this.send({ type: 'bye', t: Date.now() / 1000, reason, code: code ?? null, signal }, true);
    this.channel.flushBlocking(FLUSH_MS);
  }

  guard(fn, args) {
    if (!this.on) return;
    try {
      fn(...args);
    } catch (error) {
      this.fail(error);
    }
  }

  /** An error of ours: say so if we still can, and be gone. */
  fail(error) {
    try {
      this.send({ type: 'failed', t: Date.now() / 1000, message: String(error?.stack ?? error).slice(0, TEXT_LIMIT) }, true);
      this.channel.flush();
    } catch {
      // Nobody to tell.
    }
    this.disable();
  }

  /** Undoes every patch and goes silent. */
  disable() {
    if (!this.on) return;
    this.on = false;
    clearInterval(this.timer);
    process.removeListener('exit', this.onExit);
    process.removeListener('warning', this.onWarning);
    if (globalThis.plimsoll === this.api) delete globalThis.plimsoll;
    for (const part of [this.tracing, this.jobs, this.quiet, this.signals, this.siblings, this.spikes, this.libraries, this.emitters, this.sampler, this.profile, this.scripts, this.memory]) part?.stop();
    this.channel.close();
  }
}

function start(config) {
  Object.defineProperty(globalThis, Symbol.for('plimsoll.agent.started'), { value: true, configurable: true });
  const agent = new Agent(config);
  if (!agent.shared.member) {
    // Enough threads are watched.
    agent.disable();
    return;
  }
  try {
    agent.start();
  } catch (error) {
    agent.fail(error);
  }
}

module.exports = { start };
