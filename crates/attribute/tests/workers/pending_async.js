const { run, payload } = require('./loop');
const $$waiters = new Map(); // HOLDER
async function $$call(i) { const p = payload(i); const answer = await new Promise((resolve) => { $$waiters.set(i, resolve); }); return [p, answer]; }
run(async (i) => { $$call(i); });
