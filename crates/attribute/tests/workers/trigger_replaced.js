const { run, payload } = require('./loop');
// Every job replaces the trigger without resolving it; the race of the old one stays behind on `never`.
const $$never = new Promise(() => {}); // HOLDER
let $$trigger = deferred();
function deferred() { let resolve; const promise = new Promise((r) => { resolve = r; }); return { promise, resolve }; }
async function $$wait(p) { await Promise.race([$$trigger.promise, $$never]); return p; }
run(async (i) => { const p = payload(i); $$wait(p); $$trigger = deferred(); });
