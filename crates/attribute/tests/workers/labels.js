const { run } = require('./loop');
class $$Counter {
  constructor(name) {
    this.name = name;
    this.$$values = Object.create(null); // HOLDER
  }
  inc(labels) {
    const key = JSON.stringify(labels);
    const entry = this.$$values[key] || (this.$$values[key] = { labels, value: 0 });
    entry.value++;
  }
}
const $$counter = new $$Counter('jobs_total');
run(async (i) => { $$counter.inc({ queue: 'mail', job: `job-${i}`, user: `user-${i * 3}` }); });
