const { run, payload } = require('./loop');
const recent = [];
run(async (i) => { recent.push(payload(i)); if (recent.length > 30) recent.shift(); });
