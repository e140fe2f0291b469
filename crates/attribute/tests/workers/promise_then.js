const { run, payload } = require('./loop');
class $$Gate {
  constructor() {
    this.$$closed = new Promise((resolve) => { this.close = resolve; }); // HOLDER
  }
}
const $$gate = new $$Gate();
run(async (i) => { const p = payload(i); $$gate.$$closed.then(() => p.id); });
