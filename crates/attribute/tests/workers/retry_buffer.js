const { run, payload } = require('./loop');
const $$deferred = []; // HOLDER
class SmtpError extends Error {}
async function email(job) { if (job.id % 3 === 0) throw new SmtpError('421 try again'); }
run(async (i) => {
  const job = payload(i);
  try { await email(job); } catch (error) { $$deferred.push({ job, error, attempts: 1, nextAt: Date.now() + 60000 }); }
});
