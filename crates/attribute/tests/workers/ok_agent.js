const http = require('node:http');
const { run } = require('./loop');
const server = http.createServer((req, res) => res.end('ok'));
server.keepAliveTimeout = 600000;
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
server.listen(0, '127.0.0.1', () => {
  run((i) => new Promise((resolve, reject) => {
    http.get({ port: server.address().port, host: '127.0.0.1', agent }, (res) => { res.resume(); res.on('end', resolve); }).on('error', reject);
  }));
});
