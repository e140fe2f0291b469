const { run, payload } = require('./loop');
const $$state = {
  name: 'mailer',
  stats: {
    $$byId: {}, // HOLDER
  },
};
run(async (i) => { $$state.stats.$$byId[1000 + i * 17] = payload(i); });
