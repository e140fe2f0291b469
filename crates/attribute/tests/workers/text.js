const { run } = require('./loop');
let $$log = ''; // HOLDER
run(async (i) => { for (let k = 0; k < 5; k++) $$log += `${Date.now()} job ${i} step ${k} took ${(i * 7919) % 100} ms\n`; });
