const { run, payload } = require('./loop');
class $$Registry {
  #$$items = new Set(); // HOLDER
  add(i) { this.#$$items.add(payload(i)); }
}
const $$registry = new $$Registry();
run(async (i) => $$registry.add(i));
