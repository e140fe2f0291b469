import loop from './loop.js';
const $$parked = []; // HOLDER
function $$handle(i) { $$parked.push(loop.payload(i)); }
loop.run(async (i) => $$handle(i));
