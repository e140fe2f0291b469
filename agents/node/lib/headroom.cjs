'use strict';
// Is there room for a heap snapshot? Writing one needs about as much memory again as the heap in use.

const fs = require('node:fs');
const path = require('node:path');

/** 345 bytes per object beyond the heap were measured; objects of 60 bytes and more are the rule in large heaps. */
const SNAPSHOT_SHARE = 1;
const FIXED_BYTES = 64 << 20;

/** Null if there is room, else the reason in plain words. */
function headRoom(heapBytes) {
  const neededBytes = SNAPSHOT_SHARE * heapBytes + FIXED_BYTES;
  const available = Math.min(machineAvailableBytes(), cgroupAvailableBytes());
  if (available >= neededBytes) return null;
  return `a capture needs about ${neededBytes} bytes and ${available} are available`;
}

function machineAvailableBytes() {
  const line = /^MemAvailable:\s+(\d+) kB/m.exec(readText('/proc/meminfo'));
  return line === null ? Infinity : Number(line[1]) * 1024;
}

function cgroupAvailableBytes() {
  const membership = readText('/proc/self/cgroup');
  const unified = /^0::(.*)$/m.exec(membership);
  const legacy = /^\d+:[^:\n]*\bmemory\b[^:\n]*:(.*)$/m.exec(membership);
  if (legacy !== null) return groupAvailable('/sys/fs/cgroup/memory', legacy[1], 'memory.limit_in_bytes', 'memory.usage_in_bytes');
  return unified === null ? Infinity : groupAvailable('/sys/fs/cgroup', unified[1], 'memory.max', 'memory.current');
}

/** The least that is left on the way from the group to the root: a parent's limit binds too. */
function groupAvailable(root, group, limitFile, usageFile) {
  let least = Infinity;
  for (let at = path.posix.normalize(group); ; at = path.posix.dirname(at)) {
    const limit = Number(readText(root + path.posix.join(at, limitFile)).trim() || NaN);
    const usage = Number(readText(root + path.posix.join(at, usageFile)).trim() || NaN);
    if (Number.isFinite(limit) && Number.isFinite(usage)) least = Math.min(least, Math.max(0, limit - usage));
    if (at === '/' || at === '.') return least;
  }
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

module.exports = { headRoom, groupAvailable };
