const { run, payload } = require('./loop');
const $$templates = new Map(); // HOLDER
function $$template(key) {
  let hit = $$templates.get(key);
  if (!hit || hit.expires < Date.now()) { hit = { value: payload(key), expires: Date.now() + 1000 }; $$templates.set(key, hit); }
  return hit.value;
}
run(async (i) => { $$template(i); });
