'use strict';
// Names the scripts behind the numbers in a heap snapshot, with their source maps, so that a TypeScript worker
// is reported in its own lines. The debugger domain is only on while the list is read, at moments that pause anyway.

const fs = require('node:fs');
const path = require('node:path');

const SCRIPT_LIMIT = 5000;
const SCRIPTS_PER_RECORD = 200;
const URL_LIMIT = 4096;
/** An inline map larger than this belongs to a bundle whose map is better read from its file. */
const INLINE_MAP_LIMIT_BYTES = 2 << 20;
const INLINE_MAPS_LIMIT_BYTES = 16 << 20;

class Scripts {
  constructor({ directory, ownDirectory, send }) {
    Object.assign(this, { directory, ownDirectory, send });
    this.sent = new Set();
    this.writtenBytes = 0;
    this.session = null;
  }

  /** Sends the scripts that have not been sent yet. */
  report() {
    if (this.directory === null) return;
    const fresh = this.read().filter((script) => !this.sent.has(script.scriptId));
    const records = fresh.map((script) => this.describe(script));
    for (let at = 0; at < records.length; at += SCRIPTS_PER_RECORD) {
      this.send({ type: 'scripts', t: Date.now() / 1000, scripts: records.slice(at, at + SCRIPTS_PER_RECORD) });
    }
  }

  read() {
    const session = this.connected();
    const scripts = [];
    const onParsed = ({ params }) => {
      if (scripts.length < SCRIPT_LIMIT && this.isOfWorker(params.url)) scripts.push(params);
    };
    session.on('Debugger.scriptParsed', onParsed);
    session.post('Debugger.enable');
    session.post('Debugger.disable');
    session.removeListener('Debugger.scriptParsed', onParsed);
    return scripts;
  }

  /** Stays connected: V8 forgets the ids of all objects when a session ends, and the next dump would know none again. */
  connected() {
    if (this.session === null) {
      const { Session } = require('node:inspector');
      this.session = new Session();
      this.session.connect();
    }
    return this.session;
  }

  stop() {
    this.session?.disconnect();
    this.session = null;
  }

  isOfWorker(url) {
    if (!url.startsWith('file://') && !path.isAbsolute(url)) return false;
    return !url.startsWith(this.ownDirectory) && !url.startsWith(`file://${this.ownDirectory}`) && url.length <= URL_LIMIT;
  }

  describe({ scriptId, url, sourceMapURL }) {
    this.sent.add(scriptId);
    return { id: Number(scriptId), url, source_map_url: this.mapUrl(scriptId, sourceMapURL) };
  }

  /** The map's URL as the script gives it; an inline one is written beside the evidence as `evidence:NAME`. */
  mapUrl(scriptId, url) {
    if (!url) return null;
    if (!url.startsWith('data:')) return url.length <= URL_LIMIT ? url : null;
    const fits = url.length <= INLINE_MAP_LIMIT_BYTES && this.writtenBytes + url.length <= INLINE_MAPS_LIMIT_BYTES;
    return fits ? this.writeInline(scriptId, url) : null;
  }

  writeInline(scriptId, url) {
    const comma = url.indexOf(',');
    const encoding = url.slice(0, comma).endsWith(';base64') ? 'base64' : 'utf8';
    const text = encoding === 'base64' ? url.slice(comma + 1) : decodeURIComponent(url.slice(comma + 1));
    const file = `map-${process.pid}-${require('node:worker_threads').threadId}-${scriptId}.json`;
    fs.writeFileSync(path.join(this.directory, file), Buffer.from(text, encoding), { mode: 0o600, flag: 'wx' });
    this.writtenBytes += url.length;
    return `evidence:${file}`;
  }
}

module.exports = { Scripts };
