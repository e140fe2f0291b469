const { run } = require('./loop');
class $$Recorder { constructor() { this.$$chunks = []; } /* HOLDER */ take(b) { this.$$chunks.push(b); } }
const $$recorder = new $$Recorder();
run(async (i) => { $$recorder.take(Buffer.alloc(12000)); });
