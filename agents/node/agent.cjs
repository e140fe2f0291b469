'use strict';
// Plimsoll's agent for Node: loaded with `--require` before the worker's own code.
//
// Invariants: it fails open (any error of ours turns the agent off and leaves the worker as it was),
// it prints nothing, keeps no process alive, and blocks only for forced collections and evidence within
// the pause budget and for the bounded flush at exit. Protocol: docs/formats/agent.md.

try {
  const { readConfig } = require('./lib/config.cjs');
  const config = readConfig();
  if (config !== null) require('./lib/agent.cjs').start(config);
} catch {
  // Failing open: a worker must not notice that it could not be watched.
}
