const fs = require('node:fs'), os = require('node:os'), path = require('node:path');
const { run } = require('./loop');
const $$logs = new Map(); // HOLDER
const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'w-'));
process.on('exit', () => fs.rmSync(dir, { recursive: true, force: true }));
run((i) => new Promise((resolve) => {
  const out = fs.createWriteStream(path.join(dir, i + '.log'));
  $$logs.set(i, out);
  out.write('started', resolve);
}));
