const { run, payload } = require('./loop');
let $$history = []; // HOLDER
run(async (i) => { $$history = [...$$history, payload(i)]; });
