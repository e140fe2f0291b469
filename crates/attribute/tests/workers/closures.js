const { run } = require('./loop');
const $$undo = []; // HOLDER
function $$prepare(i) {
  const $$big = Buffer.alloc(20000, i);
  $$undo.push(() => $$big.length);
}
run(async (i) => $$prepare(i));
