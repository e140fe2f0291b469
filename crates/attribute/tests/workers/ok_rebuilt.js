const { run, payload } = require('./loop');
let recent = [];
let latest = {};
run(async (i) => {
  recent = [...recent, payload(i)].slice(-40);
  latest = { ...latest, ['tenant-' + (i % 20)]: payload(i) };
});
