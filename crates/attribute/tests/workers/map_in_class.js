const { run, payload } = require('./loop');
class $$Registry {
  constructor() {
    this.$$entries = new Map(); // HOLDER
  }
  add(i) { this.$$entries.set('k' + i, payload(i)); }
}
const $$registry = new $$Registry();
run(async (i) => $$registry.add(i));
