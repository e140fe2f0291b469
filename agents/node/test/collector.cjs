'use strict';
// A stand-in for Plimsoll: listens on a Unix socket in a folder of its own and keeps what agents say.

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');

const AGENT = path.join(__dirname, '..', 'agent.cjs');
const DEADLINE_MS = 60_000;

class Collector {
  static async open() {
    const collector = new Collector();
    await new Promise((resolve) => collector.server.listen(collector.socket, resolve));
    return collector;
  }

  constructor() {
    this.directory = fs.mkdtempSync(path.join(os.tmpdir(), 'plimsoll-agent-'));
    this.evidence = path.join(this.directory, 'evidence');
    fs.mkdirSync(this.evidence, { mode: 0o700 });
    this.socket = path.join(this.directory, 's');
    this.connections = [];
    this.waiters = [];
    this.server = net.createServer((socket) => this.accept(socket));
  }

  accept(socket) {
    const connection = { socket, records: [] };
    this.connections.push(connection);
    let rest = '';
    socket.setEncoding('utf8');
    socket.on('error', () => {});
    if (this.paused) setImmediate(() => socket.pause());
    socket.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) connection.records.push(JSON.parse(line));
      this.waiters = this.waiters.filter((waiter) => !waiter());
    });
    socket.on('close', () => {
      connection.closed = true;
      this.waiters = this.waiters.filter((waiter) => !waiter());
    });
  }

  records(type) {
    return this.connections.flatMap((connection) => connection.records).filter((record) => record.type === type);
  }

  /** Resolves when the condition on this collector holds. */
  until(condition) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the condition never held')), DEADLINE_MS);
      const waiter = () => {
        if (!condition(this)) return false;
        clearTimeout(timer);
        resolve();
        return true;
      };
      if (!waiter()) this.waiters.push(waiter);
    });
  }

  environment(config = {}) {
    const full = { socket: this.socket, evidence_dir: this.evidence, capture: 'never', jobs: null, pause_budget: 0.02, hold_job_starts: false, profile_interval_bytes: null, floors: true, ...config };
    return { ...process.env, NODE_OPTIONS: `--require=${AGENT}`, PLIMSOLL_AGENT: JSON.stringify(full) };
  }

  /** Runs a script under the agent to its end. */
  async run(file, { config, args = [], env = {}, onSpawn } = {}) {
    const outcome = await runNode([file, ...args], { ...this.environment(config), ...env }, onSpawn);
    for (const { socket } of this.connections) if (!socket.destroyed) socket.resume();
    await this.until(() => this.connections.every((connection) => connection.closed));
    return outcome;
  }

  close() {
    for (const { socket } of this.connections) socket.destroy();
    this.server.close();
    fs.rmSync(this.directory, { recursive: true, force: true });
  }
}

function runNode(args, env, onSpawn) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS);
    const outcome = { stdout: '', stderr: '', pid: child.pid };
    child.stdout.on('data', (data) => (outcome.stdout += data));
    child.stderr.on('data', (data) => (outcome.stderr += data));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ ...outcome, code, signal });
    });
    onSpawn?.(child);
  });
}

/** Writes a script into the collector's folder and returns its path. */
function script(collector, name, source) {
  const file = path.join(collector.directory, name);
  fs.writeFileSync(file, source);
  return file;
}

/** Cumulative counts: the last record of each class on each connection, summed. */
function jobTotals(collector) {
  const totals = {};
  for (const { records } of collector.connections) {
    const last = {};
    for (const record of records) if (record.type === 'jobs') Object.assign(last, record.classes);
    for (const [name, counts] of Object.entries(last)) {
      const total = (totals[name] ??= { done: 0, failed: 0, started: 0 });
      for (const key of Object.keys(total)) total[key] += counts[key];
    }
  }
  return totals;
}

/** Opens a collector, runs one script under the agent, lets `check(collector, outcome)` judge, and cleans up. */
async function watch({ source, file = 'worker.cjs', files = {}, config, env, args, onSpawn, packages, paused = false }, check) {
  const collector = await Collector.open();
  try {
    collector.paused = paused;
    if (packages !== undefined) fs.symlinkSync(packages, path.join(collector.directory, 'node_modules'));
    for (const [name, text] of Object.entries(files)) script(collector, name, text);
    const target = script(collector, file, source);
    const outcome = await collector.run(target, { config, env, args, onSpawn: (child) => onSpawn?.(child, collector) });
    await check(collector, outcome);
  } finally {
    collector.close();
  }
}

module.exports = { watch, Collector, script, jobTotals, runNode };
