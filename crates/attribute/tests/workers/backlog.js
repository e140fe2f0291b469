const { run, payload } = require('./loop');
const $$waiting = []; // HOLDER
function produce(i) { $$waiting.push(payload(i * 2)); $$waiting.push(payload(i * 2 + 1)); }
function consume() { return $$waiting.shift(); }
run(async (i) => { produce(i); consume(); });
