'use strict';
// The workers of this benchmark. Prints CPU seconds per unit of work, resident memory and jobs per second.

const [mode, seconds] = [process.argv[2], Number(process.argv[3])];
const job = globalThis.plimsoll?.job ?? ((name, meta, fn) => fn());
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A slice of work that allocates, calls and sorts, about 0.2 ms. */
function slice(i) {
  const rows = [];
  for (let k = 0; k < 300; k += 1) rows.push({ id: i + k, name: `row ${k}`, values: [k, k * 2, k % 7] });
  rows.sort((a, b) => a.values[2] - b.values[2] || a.id - b.id);
  return JSON.stringify(rows).length;
}

/** A fixed amount of work: so that a disturbed machine shows in the time, and CPU stays comparable. */
async function busy() {
  const slices = seconds * 2500;
  for (let i = 0; i < slices; i += 1) {
    slice(i);
    if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { units: slices, jobs: 0 };
}

async function paced() {
  const startedAt = performance.now();
  let jobs = 0;
  while (performance.now() - startedAt < seconds * 1000) {
    const due = Math.floor(performance.now() - startedAt) - jobs;
    const batch = [];
    for (let k = 0; k < due; k += 1) batch.push(job(k % 2 ? 'email' : 'report', { id: jobs + k, payloadBytes: 100 }, async () => { await null; return slice(jobs); }));
    jobs += due;
    await Promise.all(batch);
    await pause(1);
  }
  return { units: jobs, jobs };
}

async function flood() {
  const jobs = seconds * 50_000;
  for (let i = 0; i < jobs; i += 1) {
    await job('tiny', { id: i }, async () => { let sum = 0; for (let k = 0; k < 2000; k += 1) sum += k % 7; return sum; });
    if (i % 1000 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return { units: jobs, jobs };
}

const before = process.cpuUsage();
const startedAt = performance.now();
({ busy, paced, flood })[mode]().then(({ units, jobs }) => {
  const { user, system } = process.cpuUsage(before);
  const elapsed = (performance.now() - startedAt) / 1000;
  process.stdout.write(JSON.stringify({ cpuPerUnit: (user + system) / 1e6 / units, rss: process.memoryUsage().rss, jobsPerSecond: jobs / elapsed }));
});
