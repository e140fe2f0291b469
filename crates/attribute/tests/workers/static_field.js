const { run, payload } = require('./loop');
class $$Mailer {
  static $$sent = []; // HOLDER
  send(i) { $$Mailer.$$sent.push(payload(i)); }
}
run(async (i) => new $$Mailer().send(i));
