const { run } = require('./loop');
run(async (i) => { for (let k = 0; k < 20; k++) Symbol.for(`request-${i}-${k} some text that is long enough`); });
