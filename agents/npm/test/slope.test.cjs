'use strict';

const assert = require('node:assert');
const { test } = require('node:test');

const { judge, slope } = require('../slope.cjs');

const xs = Array.from({ length: 24 }, (_, index) => (index + 1) * 10);
// Deterministic noise of both signs.
const noise = (index) => (((index * 7919) % 101) - 50) * 10;

test('a line gives its slope, whatever one wild value says', () => {
  const ys = xs.map((x) => 3 * x);
  ys[5] += 1e6;
  const { estimate, low, high } = slope(xs, ys);
  assert.deepStrictEqual([estimate, low, high], [3, 3, 3]);
});

const CASES = [
  ['leaking', (x, index) => 200 * x + noise(index)],
  ['bounded', (x, index) => 200 * Math.min(x, 100) + noise(index)],
  ['stable', (x, index) => noise(index)],
  ['inconclusive', (x, index) => 50 * x + 20 * noise(index)],
];
for (const [status, shape] of CASES) {
  test(`floors are ${status}`, () => assert.strictEqual(judge(xs, xs.map(shape), 50).status, status));
}
