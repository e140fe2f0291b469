'use strict';
// Recognises the workers of BullMQ, Bull and Bee-Queue by the shape of their prototypes (bundlers rename
// classes, so names say nothing) and reports their jobs, with no change to the worker's code.

/** A prototype chain longer than this is not a job library's. */
const CHAIN_LIMIT = 8;
/** Nodes looked at when a payload's size has to be estimated. */
const ESTIMATE_LIMIT = 2000;
const WORKERS_LIMIT = 256;
const DEFAULT_NAME = '__default__';

const SHAPES = [
  { name: 'bullmq', methods: ['callProcessJob', 'processJob', 'nextJobFromJobData', 'close'], patch: patchBullMq },
  { name: 'bull', methods: ['setHandler', 'processJob', 'nextJobFromJobData', 'close'], patch: patchBull },
  { name: 'bee', methods: ['_runJob', '_finishJob', '_waitForJob', 'close'], patch: patchBee },
];

class Libraries {
  constructor(jobs) {
    this.jobs = jobs;
    this.payloadBytes = new WeakMap();
    this.workers = new Set();
    this.wrapped = new WeakSet();
    this.undo = [];
    this.on = true;
  }

  /** Called once per emitter class. */
  inspect(prototype) {
    let at = prototype;
    for (let depth = 0; depth < CHAIN_LIMIT && at !== null && at !== undefined; depth += 1) {
      for (const shape of SHAPES) {
        if (this.fits(at, shape)) shape.patch(this, at);
      }
      if (isBeeJobClass(at)) patchBeeJob(this, at.constructor);
      at = Object.getPrototypeOf(at);
    }
  }

  fits(prototype, shape) {
    if (this.wrapped.has(prototype) || !Object.hasOwn(prototype, shape.methods[0])) return false;
    return shape.methods.every((name) => typeof prototype[name] === 'function');
  }

  replace(owner, name, make) {
    const descriptor = Object.getOwnPropertyDescriptor(owner, name);
    if (typeof descriptor?.value !== 'function' || !descriptor.configurable) return;
    const replacement = make(descriptor.value);
    Object.defineProperty(owner, name, { ...descriptor, value: replacement });
    this.undo.push(() => {
      if (owner[name] === replacement) Object.defineProperty(owner, name, descriptor);
    });
  }

  noteWorker(worker) {
    if (this.workers.size < WORKERS_LIMIT) this.workers.add(worker);
  }

  notePayload(job, raw) {
    if (this.on && typeof raw === 'string' && job !== null && typeof job === 'object') {
      this.payloadBytes.set(job, Buffer.byteLength(raw));
    }
    return job;
  }

  payloadOf(job) {
    return this.payloadBytes.get(job) ?? estimateBytes(job.data);
  }

  /** Runs a library's job under its class; whatever goes wrong in the description, the job runs. */
  run(describe, call) {
    if (!this.on) return call();
    let described;
    try {
      described = describe();
    } catch {
      return call();
    }
    return this.jobs.job(described.name, described.meta, call);
  }

  /** Asks every worker seen to close. Resolves when all have; null if there are none. */
  close() {
    if (this.workers.size === 0) return null;
    const closing = [...this.workers].map((worker) => Promise.resolve().then(() => worker.close()));
    return Promise.allSettled(closing);
  }

  stop() {
    this.on = false;
    for (const undo of this.undo) undo();
    this.workers.clear();
  }
}

function patchBullMq(libraries, prototype) {
  libraries.wrapped.add(prototype);
  libraries.replace(prototype, 'callProcessJob', (original) => function (job, ...rest) {
    libraries.noteWorker(this);
    return libraries.run(
      () => description(libraries, job, this.name, (job.attemptsMade ?? 0) + 1),
      () => original.call(this, job, ...rest),
    );
  });
  libraries.replace(prototype, 'createJob', (original) => function (json, ...rest) {
    return libraries.notePayload(original.call(this, json, ...rest), json?.data);
  });
}

function patchBull(libraries, prototype) {
  libraries.wrapped.add(prototype);
  libraries.replace(prototype, 'processJob', (original) => function (job, ...rest) {
    if (job) wrapBullHandler(libraries, this, job.name);
    return original.call(this, job, ...rest);
  });
  libraries.replace(prototype, 'nextJobFromJobData', (original) => function (json, ...rest) {
    const job = original.call(this, json, ...rest);
    const raw = json?.data;
    return typeof job?.then === 'function'
      ? job.then((ready) => libraries.notePayload(ready, raw))
      : libraries.notePayload(job, raw);
  });
}

/** Handlers, not `processJob`: the job ends when its handler does, not when Redis has been told. */
function wrapBullHandler(libraries, queue, name) {
  const { handlers } = queue;
  if (!libraries.on || handlers === null || typeof handlers !== 'object') return;
  const key = handlers[name] ? name : '*';
  const handler = handlers[key];
  if (typeof handler !== 'function' || libraries.wrapped.has(handler)) return;
  libraries.noteWorker(queue);
  const wrapped = function (job, ...rest) {
    return libraries.run(
      () => description(libraries, job, queue.name, (job.attemptsMade ?? 0) + 1),
      () => handler.call(this, job, ...rest),
    );
  };
  libraries.wrapped.add(wrapped);
  handlers[key] = wrapped;
}

function patchBee(libraries, prototype) {
  libraries.wrapped.add(prototype);
  libraries.replace(prototype, '_runJob', (original) => function (job, ...rest) {
    wrapBeeHandler(libraries, this);
    return original.call(this, job, ...rest);
  });
}

function wrapBeeHandler(libraries, queue) {
  const { handler } = queue;
  if (!libraries.on || typeof handler !== 'function' || libraries.wrapped.has(handler)) return;
  libraries.noteWorker(queue);
  const wrapped = function (job, ...rest) {
    return libraries.run(
      () => {
        const attempt = (job.options?.stacktraces?.length ?? 0) + 1;
        return description(libraries, job, queue.name, attempt, queue.name, job.options?.timestamp);
      },
      () => handler.call(this, job, ...rest),
    );
  };
  libraries.wrapped.add(wrapped);
  queue.handler = wrapped;
}

function isBeeJobClass(prototype) {
  const owner = Object.hasOwn(prototype, 'constructor') ? prototype.constructor : undefined;
  return typeof owner?.fromData === 'function' && typeof owner.fromId === 'function' && typeof prototype.toData === 'function';
}

function patchBeeJob(libraries, jobClass) {
  if (libraries.wrapped.has(jobClass)) return;
  libraries.wrapped.add(jobClass);
  libraries.replace(jobClass, 'fromData', (original) => function (queue, id, raw, ...rest) {
    return libraries.notePayload(original.call(this, queue, id, raw, ...rest), raw);
  });
}

function description(libraries, job, queueName, attempt, name = job.name, enqueuedAt = job.timestamp) {
  const queue = typeof queueName === 'string' ? queueName : null;
  return {
    name: name === DEFAULT_NAME || name === undefined || name === null || name === '' ? queue ?? 'job' : name,
    meta: {
      id: job.id,
      attempt,
      queue,
      payloadBytes: libraries.payloadOf(job),
      enqueuedAt,
      traceparent: traceparent(job.opts?.telemetry?.metadata),
    },
  };
}

/** BullMQ carries the producer's trace context as a JSON text. */
function traceparent(metadata) {
  if (typeof metadata !== 'string' || metadata.length > 4096) return null;
  return /"traceparent"\s*:\s*"([0-9a-f-]{55})"/.exec(metadata)?.[1] ?? null;
}

/** About the length of the JSON text, from at most `ESTIMATE_LIMIT` nodes; undefined beyond them. */
function estimateBytes(data) {
  let left = ESTIMATE_LIMIT;
  let bytes = 0;
  const open = [data];
  while (open.length > 0) {
    if ((left -= 1) < 0) return undefined;
    const value = open.pop();
    if (typeof value === 'string') bytes += value.length + 2;
    else if (value === null || typeof value !== 'object') bytes += 6;
    else if (ArrayBuffer.isView(value)) bytes += value.byteLength;
    else bytes += openObject(value, open, left);
  }
  return bytes;
}

function openObject(value, open, left) {
  let bytes = 2;
  let seen = 0;
  for (const key in value) {
    if ((seen += 1) > left + 1) break;
    bytes += Array.isArray(value) ? 1 : key.length + 4;
    open.push(value[key]);
  }
  return bytes;
}

module.exports = { Libraries, estimateBytes };
