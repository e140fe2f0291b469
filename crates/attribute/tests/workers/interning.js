const { run } = require('./loop');
const $$pool = Object.create(null); // HOLDER
function $$intern(text) { return $$pool[text] ?? ($$pool[text] = text); }
run(async (i) => { for (let k = 0; k < 20; k++) $$intern(`header-${i}-${k}: some value that is long enough`); });
