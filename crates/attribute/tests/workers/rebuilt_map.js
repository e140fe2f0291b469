const { run, payload } = require('./loop');
class Totals { constructor(entries) { this.$$entries = new Map(entries); } }
let $$totals = { current: new Totals() }; // HOLDER
run(async (i) => {
  const next = new Totals($$totals.current.$$entries);
  next.$$entries.set('order-' + i, payload(i));
  $$totals = { current: next };
});
