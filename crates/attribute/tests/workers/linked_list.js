const { run, payload } = require('./loop');
let $$head = null; // HOLDER
run(async (i) => { $$head = { value: payload(i), next: $$head }; });
