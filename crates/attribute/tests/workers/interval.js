const { run, payload } = require('./loop');
run(async (i) => { const $$job = payload(i); setInterval(() => $$job.lines.length, 60000).unref(); }); // HOLDER
