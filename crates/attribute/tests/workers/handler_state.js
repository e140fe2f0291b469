const { run, payload } = require('./loop');
function $$makeHandler(options) {
  const $$sessions = {}; // HOLDER
  const limit = options.limit;
  return {
    async handle(i) {
      const id = `s${i % limit}x${i}`;
      const session = $$sessions[id] ?? ($$sessions[id] = payload(i));
      return session.lines.length;
    },
  };
}
const $$handler = $$makeHandler({ limit: 50 });
run((i) => $$handler.handle(i));
