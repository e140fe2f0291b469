const http = require('node:http');
const { run } = require('./loop');
const server = http.createServer((req, res) => res.end('ok'));
server.keepAliveTimeout = 600000;
server.listen(0, '127.0.0.1', () => {
  const port = server.address().port;
  run((i) => new Promise((resolve, reject) => {
    const $$agent = new http.Agent({ keepAlive: true });
    http.get({ port, host: '127.0.0.1', path: '/' + i, agent: $$agent }, (res) => { res.resume(); res.on('end', resolve); }).on('error', reject);
  }));
});
