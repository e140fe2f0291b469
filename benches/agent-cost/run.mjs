// What the Node agent costs a worker: CPU and memory, with and without it, in turn.
//
//   node benches/agent-cost/run.mjs [pairs=7] [seconds=8]
//
// Three workers: `busy` allocates and computes without a pause and runs no jobs, `paced` runs 1,000 asynchronous jobs a
// second, `flood` as many jobs as it can. Each pair runs the worker plain, with the agent, and with the agent and
// the sampling heap profiler, in a random order. Printed per worker: the median of CPU(with) / CPU(without) for
// the same work, its range, the resident memory on top, and the agent's own account. Forced collections and evidence
// are pauses that the budget bounds, not cost of watching: they are off (PLIMSOLL_BENCH_PAUSES=1 turns floors on).

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const pairs = Number(process.argv[2] ?? 7);
const seconds = Number(process.argv[3] ?? 8);
const here = path.dirname(fileURLToPath(import.meta.url));
const agent = path.join(here, '..', '..', 'agents', 'node', 'agent.cjs');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'agent-cost-'));
const socket = path.join(folder, 's');

const VARIANTS = { plain: null, agent: {}, profiler: { profile_interval_bytes: 512 * 1024 } };
let accounts = [];

const server = net.createServer((connection) => {
  let text = '';
  connection.on('error', () => {});
  connection.on('data', (data) => (text += data));
  connection.on('close', () => accounts.push(text));
});
server.listen(socket);

function run(mode, extra) {
  const config = { socket, evidence_dir: folder, capture: 'never', jobs: null, pause_budget: 0.02, hold_job_starts: false, profile_interval_bytes: null, floors: process.env.PLIMSOLL_BENCH_PAUSES === '1', ...extra };
  const env = { ...process.env };
  if (extra !== null) Object.assign(env, { NODE_OPTIONS: `--require=${agent}`, PLIMSOLL_AGENT: JSON.stringify(config) });
  accounts = [];
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [path.join(here, 'worker.cjs'), mode, String(seconds)], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (data) => (output += data));
    child.on('close', () => resolve({ ...JSON.parse(output), own: ownAccount() }));
  });
}

function ownAccount() {
  const samples = accounts.join('').split('\n').filter((line) => line.includes('"type":"sample"'));
  return samples.length > 0 ? JSON.parse(samples.at(-1)) : null;
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const shuffled = (values) => values.map((value) => [Math.random(), value]).sort((a, b) => a[0] - b[0]).map(([, value]) => value);

for (const mode of ['busy', 'paced', 'flood']) {
  const runs = { plain: [], agent: [], profiler: [] };
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const name of shuffled(Object.keys(VARIANTS))) runs[name].push(await run(mode, VARIANTS[name]));
  }
  for (const name of ['agent', 'profiler']) {
    const ratios = runs[name].map((it, pair) => it.cpuPerUnit / runs.plain[pair].cpuPerUnit);
    const rss = median(runs[name].map((it, pair) => it.rss - runs.plain[pair].rss));
    const own = runs[name].at(-1).own;
    console.log(`${mode.padEnd(6)} ${name.padEnd(9)} CPU x${median(ratios).toFixed(3)} (${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}), rss +${(rss / 1e6).toFixed(1)} MB, own account ${own?.agent_cpu_seconds.toFixed(3)} s of ${seconds} s, ${Math.round(median(runs[name].map((it) => it.jobsPerSecond)))} jobs/s`);
  }
}
server.close();
fs.rmSync(folder, { recursive: true, force: true });
