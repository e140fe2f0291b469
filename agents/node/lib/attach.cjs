'use strict';
// Loaded into a process that already runs: finds the job libraries' objects that were made before us.

const { EventEmitter } = require('node:events');

/** Emitters looked at; workers of job libraries are few and old, but nothing orders them. */
const EMITTER_LIMIT = 200_000;

/** Calls `meet` with every live emitter, once. Costs one pass over the heap. */
function meetLiveEmitters(meet) {
  const { Session } = require('node:inspector');
  const session = new Session();
  const key = Symbol.for('plimsoll.agent.queried');
  session.connect();
  globalThis[key] = { prototype: EventEmitter.prototype, take: (emitters) => takeAll(emitters, meet) };
  try {
    query(session, `globalThis[Symbol.for('plimsoll.agent.queried')]`);
  } finally {
    delete globalThis[key];
    session.disconnect();
  }
}

/** In-thread sessions answer within `post`, so no step waits. */
function query(session, holder) {
  session.post('Runtime.evaluate', { expression: `${holder}.prototype` }, (error, prototype) => {
    if (error) return;
    session.post('Runtime.queryObjects', { prototypeObjectId: prototype.result.objectId, objectGroup: 'plimsoll' }, (failed, found) => {
      if (failed) return;
      const functionDeclaration = 'function (holder) { holder.take(this); }';
      session.post('Runtime.evaluate', { expression: holder }, (lost, evaluated) => {
        if (lost) return;
        const { objectId } = evaluated.result;
        session.post('Runtime.callFunctionOn', { objectId: found.objects.objectId, functionDeclaration, arguments: [{ objectId }] });
      });
      session.post('Runtime.releaseObjectGroup', { objectGroup: 'plimsoll' });
    });
  });
}

function takeAll(emitters, meet) {
  const count = Math.min(emitters.length, EMITTER_LIMIT);
  for (let index = 0; index < count; index += 1) meet(emitters[index]);
}

module.exports = { meetLiveEmitters };
