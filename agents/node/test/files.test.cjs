'use strict';
// The list of files that the binary embeds is complete: the agent works from a folder that holds just these.

const assert = require('node:assert');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const test = require('node:test');
const { Collector, jobTotals, script } = require('./collector.cjs');

const ROOT = path.join(__dirname, '..');

test('the listed files are the agent', async () => {
  const listed = fs.readFileSync(path.join(ROOT, 'files.txt'), 'utf8').trim().split('\n');
  const present = fs.readdirSync(path.join(ROOT, 'lib')).map((name) => `lib/${name}`);
  assert.deepStrictEqual([...listed].sort(), ['agent.cjs', ...present].sort());
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'plimsoll-agent-copy-'));
  const collector = await Collector.open();
  try {
    for (const name of listed) fs.cpSync(path.join(ROOT, name), path.join(folder, name));
    const target = script(collector, 'worker.cjs', `for (let i = 0; i < 20; i++) plimsoll.job('a', {}, () => i);`);
    const NODE_OPTIONS = `--require=${path.join(folder, 'agent.cjs')}`;
    const outcome = await collector.run(target, { config: { capture: 'auto', profile_interval_bytes: 524288 }, env: { NODE_OPTIONS } });
    assert.deepStrictEqual([outcome.code, outcome.stderr, collector.records('failed')], [0, '', []]);
    assert.strictEqual(jobTotals(collector).a.done, 20);
  } finally {
    collector.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
