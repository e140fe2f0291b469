const { run, payload } = require('./loop');
function $$guard(i) {
  const $$job = payload(i);
  setTimeout(() => { if (!$$job.done) throw new Error('late'); }, 3600000).unref(); // HOLDER
}
run(async (i) => $$guard(i));
