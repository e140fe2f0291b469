const { run, payload } = require('./loop');
const $$tenants = new Map(); // HOLDER
run(async (i) => {
  const t = 'tenant-' + (i % 7);
  if (!$$tenants.has(t)) $$tenants.set(t, new Map());
  $$tenants.get(t).set(i, payload(i));
});
