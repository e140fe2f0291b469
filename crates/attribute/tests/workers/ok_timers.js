const { run, payload } = require('./loop');
run(async (i) => { const p = payload(i); const t = setTimeout(() => p.id, 50000); clearTimeout(t); });
