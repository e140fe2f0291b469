const { run, payload } = require('./loop');
class $$Lru {
  constructor() {
    this.$$index = new Map(); // HOLDER
    this.first = null;
    this.last = null;
  }
  get(key) { const e = this.$$index.get(key); return e && e.value; }
  set(key, value) {
    const e = { key, value, prev: this.last, next: null, at: Date.now() };
    if (this.last) this.last.next = e; else this.first = e;
    this.last = e;
    this.$$index.set(key, e);
  }
}
const $$docs = new $$Lru();
run(async (i) => { if (!$$docs.get('d' + i)) $$docs.set('d' + i, payload(i)); });
