const { run } = require('./loop');
class Entity { constructor(id) { this.id = id; this.state = { loaded: true, dirty: false }; this.original = { id, name: 'n' + id }; this.name = 'n' + id; } }
class $$EntityManager {
  constructor() {
    this.$$identityMap = new Map(); // HOLDER
  }
  find(id) { let e = this.$$identityMap.get(id); if (!e) { e = new Entity(id); this.$$identityMap.set(id, e); } return e; }
}
const $$em = new $$EntityManager();
run(async (i) => { for (let k = 0; k < 10; k++) $$em.find(`Order#${i * 10 + k}`); });
