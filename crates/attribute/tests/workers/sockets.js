const net = require('node:net');
const { run, payload } = require('./loop');
const server = net.createServer((c) => { c.write('hi'); });
server.listen(0, '127.0.0.1', () => {
  run((i) => new Promise((resolve) => {
    const p = payload(i);
    const $$conn = net.connect(server.address().port, '127.0.0.1');
    $$conn.once('data', () => resolve(p.id));
  }));
});
