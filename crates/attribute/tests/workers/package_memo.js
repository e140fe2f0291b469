const { run, payload } = require('./loop');
const memo = require('tiny-memo');
const $$lookup = memo((i) => payload(i));
run(async (i) => { $$lookup(i); });
