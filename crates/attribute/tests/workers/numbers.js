const { run } = require('./loop');
const $$latencies = []; // HOLDER
run(async (i) => { for (let k = 0; k < 30; k++) $$latencies.push(i * 1.5 + k / 7); });
