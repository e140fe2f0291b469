const { run } = require('./loop');
const $$observers = new Set(); // HOLDER
run(async (i) => { for (let k = 0; k < 5; k++) $$observers.add(new WeakRef({ i, k })); });
