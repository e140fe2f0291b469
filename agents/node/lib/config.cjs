'use strict';
// What Plimsoll asks of the agent: from the environment, from a parent isolate, or from whoever attached.

const fs = require('node:fs');
const threads = require('node:worker_threads');

const ENVIRONMENT_KEY = 'plimsoll.agent';
/** Marks the agent's own threads, which must not watch themselves. */
const OWN_THREAD = 'PLIMSOLL_OWN_THREAD';

/** The configuration, or null where the agent is to do nothing at all. */
function readConfig() {
  if (globalThis[Symbol.for('plimsoll.agent.started')]) return null;
  if (!threads.isMainThread && process.env[OWN_THREAD]) return null;
  const { text, shared, attached } = source();
  if (text === undefined) return null;
  const config = typeof text === 'string' ? JSON.parse(text) : text;
  if (typeof config.socket !== 'string' || !isSocket(config.socket)) return null;
  return normalise(config, shared, attached);
}

function source() {
  if (globalThis.__plimsoll_agent_config) return { text: globalThis.__plimsoll_agent_config, attached: true };
  const inherited = threads.isMainThread ? undefined : threads.getEnvironmentData(ENVIRONMENT_KEY);
  if (inherited) return { text: inherited.config, shared: inherited.shared, attached: false };
  return { text: process.env.PLIMSOLL_AGENT, attached: false };
}

function isSocket(path) {
  return fs.statSync(path, { throwIfNoEntry: false })?.isSocket() === true;
}

function normalise(config, shared, attached) {
  return {
    raw: config,
    shared: shared ?? null,
    attached,
    socket: config.socket,
    evidenceDir: typeof config.evidence_dir === 'string' ? config.evidence_dir : null,
    capture: Array.isArray(config.capture) ? config.capture.filter(Number.isFinite).sort((a, b) => a - b) : config.capture ?? 'auto',
    jobs: Number.isFinite(config.jobs) && config.jobs > 0 ? config.jobs : null,
    pauseBudget: Number.isFinite(config.pause_budget) ? config.pause_budget : 0.02,
    holdJobStarts: config.hold_job_starts === true && !attached,
    profileIntervalBytes: Number.isFinite(config.profile_interval_bytes) ? config.profile_interval_bytes : null,
    floors: config.floors !== false,
  };
}

module.exports = { readConfig, ENVIRONMENT_KEY, OWN_THREAD };
