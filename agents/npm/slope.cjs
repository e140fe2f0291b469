'use strict';

// Two-sided 95 % of the normal distribution, which Kendall's statistic is close to from ten points on.
const Z_95 = 1.959964;

/**
 * Theil–Sen slope of `ys` over `xs` with Sen's interval, which assumes no distribution of the noise.
 * `xs` must rise.
 */
function slope(xs, ys) {
  const slopes = [];
  for (let i = 0; i < xs.length; i += 1) {
    for (let j = i + 1; j < xs.length; j += 1) slopes.push((ys[j] - ys[i]) / (xs[j] - xs[i]));
  }
  slopes.sort((a, b) => a - b);
  const n = xs.length;
  const width = Z_95 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const last = slopes.length - 1;
  return {
    estimate: (slopes[last >> 1] + slopes[(last + 1) >> 1]) / 2,
    low: slopes[Math.max(0, Math.floor((slopes.length - width) / 2))],
    high: slopes[Math.min(last, Math.ceil((slopes.length + width) / 2))],
  };
}

/** What the floors say: growth counts only if it holds over the record and over its later half alone. */
function judge(xs, ys, limit) {
  const half = xs.length >> 1;
  const whole = slope(xs, ys);
  const earlier = slope(xs.slice(0, half), ys.slice(0, half));
  const later = slope(xs.slice(half), ys.slice(half));
  if (later.low > limit && whole.low > limit) return { status: 'leaking', bytesPerJob: later };
  if (later.high <= limit) return { status: earlier.low > limit ? 'bounded' : 'stable', bytesPerJob: later };
  return { status: 'inconclusive', bytesPerJob: later };
}

module.exports = { judge, slope };
