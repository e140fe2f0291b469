const { run, payload } = require('./loop');
function $$memoize(fn) {
  const $$known = new Map(); // HOLDER
  return (key) => {
    if ($$known.has(key)) return $$known.get(key);
    const value = fn(key);
    $$known.set(key, value);
    return value;
  };
}
const $$lookup = $$memoize((i) => payload(i));
run(async (i) => { $$lookup('c' + i); $$lookup('c' + i); });
