const { run, payload } = require('./loop');
class $$Chain {
  constructor() {
    this.$$oldest = null; // HOLDER
    this.newest = null;
  }
  add(value) {
    const link = { value, after: null };
    if (this.newest) this.newest.after = link; else this.$$oldest = link;
    this.newest = link;
  }
}
const $$chain = new $$Chain();
run(async (i) => $$chain.add(payload(i)));
