"use strict";
// compiled
//
//
//
const { run, payload } = require('./loop');
const $$parked = []; // HOLDER
class $$Box { keep(i) { $$parked.push(payload(i)); } }
const $$box = new $$Box();
run(async (i) => $$box.keep(i));
//# sourceMappingURL=compiled.js.map
