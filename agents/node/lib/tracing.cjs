'use strict';
// Jobs told through `diagnostics_channel.tracingChannel('plimsoll.job')`, for libraries that want no global.

const diagnostics = require('node:diagnostics_channel');

/** Subscribes where the runtime has tracing channels (18.19, 20 and later); null elsewhere. */
function subscribeTracing(jobs) {
  if (typeof diagnostics.tracingChannel !== 'function') return null;
  const runs = new WeakMap();
  const end = (context) => {
    const run = runs.get(context);
    if (run === undefined) return;
    runs.delete(context);
    jobs.end(run, 'error' in context);
  };
  const handlers = {
    start(context) {
      if (!jobs.on || jobs.nested()) return;
      const run = jobs.begin(jobs.counters.of(context.class), context);
      if (run !== null) runs.set(context, run);
    },
    // A function that is done, or threw, has left its result; a promise or callback is still to come.
    end(context) {
      if ('result' in context || 'error' in context) end(context);
    },
    asyncStart() {},
    asyncEnd: end,
    error() {},
  };
  const channel = diagnostics.tracingChannel('plimsoll.job');
  channel.subscribe(handlers);
  return { stop: () => channel.unsubscribe(handlers) };
}

module.exports = { subscribeTracing };
