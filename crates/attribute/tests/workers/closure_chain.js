const { run } = require('./loop');
let $$thing = null; // HOLDER
function $$replace(i) {
  const original = $$thing;
  const unused = function () { if (original) return original.text; return i; };
  $$thing = { text: ('x'.repeat(2000) + i).split('').reverse().join(''), some() { return 1; } };
  return unused;
}
run(async (i) => { $$replace(i); });
