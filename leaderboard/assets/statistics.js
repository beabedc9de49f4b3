"use strict";
// Confidence intervals of means over clustered clips: the twin of hoibench/results/confidence_intervals.py, whose docstrings give the formulas.
(function () {
  const LEVEL = 0.95, MAX_AT_BOUND = 1 / 3, ROUNDING = 1e-12;

  /** Return the sum of some numbers. */
  const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

  /** Return the mean of some numbers; NaN without any. */
  const mean = (values) => total(values) / values.length;

  /** Return Bell and McCaffrey's degrees of freedom of a mean over clusters of these sizes; NaN for fewer than 2 clusters. */
  function bellMcCaffrey(sizes) {
    if (sizes.length < 2) return NaN;
    const clips = total(sizes);
    const squares = sizes.map((size) => (size / clips) ** 2);
    const q = sizes.map((size, g) => squares[g] / (1 - size / clips));
    return 1 / (total(squares) + total(q) ** 2 - total(q.map((each) => each ** 2)));
  }

  /** Return the mean of values with its CR2 standard error; `clusters` has the label of each value's cluster. */
  function estimate(values, clusters) {
    const members = new Map();
    values.forEach((value, n) => {
      if (!members.has(clusters[n])) members.set(clusters[n], []);
      members.get(clusters[n]).push(value);
    });
    const groups = [...members.values()], sizes = groups.map((group) => group.length), clips = values.length;
    const centre = total(groups.map(total)) / clips;
    let variance = 0;
    for (const group of groups) {
      const residual = total(group.map((value) => value - centre));
      const terms = total(group.map((value) => Math.abs(value) + Math.abs(centre)));
      if (Math.abs(residual) > ROUNDING * terms) variance += residual ** 2 / (1 - group.length / clips);
    }
    const degreesOfFreedom = bellMcCaffrey(sizes);
    const standardError = Number.isNaN(degreesOfFreedom) ? NaN : Math.sqrt(variance) / clips;
    return { mean: centre, standardError, degreesOfFreedom, clusters: groups.length };
  }

  /** Return the 95 % confidence interval of the mean of values, or null where `mean_intervals` has none.
   *  `bounds` is [smallest, largest] possible value, null where there is no bound. */
  function interval(values, clusters, [least, most] = [null, null]) {
    const found = estimate(values, clusters);
    const atBound = values.filter((value) => (least !== null && value <= least) || (most !== null && value >= most));
    if (!(found.standardError > 0) || atBound.length / values.length > MAX_AT_BOUND) return null;
    const half = tQuantile((1 + LEVEL) / 2, found.degreesOfFreedom) * found.standardError;
    const clip = (end) => Math.min(Math.max(end, least ?? -Infinity), most ?? Infinity);
    return {
      low: clip(found.mean - half), high: clip(found.mean + half),
      degreesOfFreedom: found.degreesOfFreedom, clusters: found.clusters,
    };
  }

  /** Return the quantile of Student's t distribution at 0.5 < p < 1; the degrees of freedom need not be whole. */
  function tQuantile(p, degreesOfFreedom) {
    let low = 0, high = 2;
    while (tTail(high, degreesOfFreedom) > 1 - p) [low, high] = [high, 2 * high];
    let t = (low + high) / 2;
    for (let n = 0; n < 200; n++) {
      const excess = tTail(t, degreesOfFreedom) - (1 - p);
      if (excess > 0) low = t; else high = t;
      const newton = t + excess / tDensity(t, degreesOfFreedom);
      const next = newton > low && newton < high ? newton : (low + high) / 2;
      if (Math.abs(next - t) <= 1e-15 * t) return next;
      t = next;
    }
    return t;
  }

  /** Return the probability that Student's t exceeds t > 0. */
  function tTail(t, degreesOfFreedom) {
    const square = t * t, whole = degreesOfFreedom + square, a = degreesOfFreedom / 2, b = 0.5;
    // The continued fraction converges for arguments below (a + 1) / (a + b + 2); beyond, the other tail is subtracted.
    const x = degreesOfFreedom / whole, y = square / whole;
    const isSmall = x < (a + 1) / (a + b + 2);
    const front = Math.exp(a * Math.log(x) + b * Math.log(y) - logBeta(a, b));
    const tail = isSmall ? front * betaFraction(x, a, b) / a : 1 - front * betaFraction(y, b, a) / b;
    return tail / 2;
  }

  function tDensity(t, degreesOfFreedom) {
    const power = -((degreesOfFreedom + 1) / 2) * Math.log1p((t * t) / degreesOfFreedom);
    return Math.exp(power - logBeta(degreesOfFreedom / 2, 0.5)) / Math.sqrt(degreesOfFreedom);
  }

  /** Return the continued fraction of the incomplete beta function (DLMF 8.17.22) by Lentz's method. */
  function betaFraction(x, a, b) {
    const TINY = 1e-300;
    const away = (number) => (Math.abs(number) < TINY ? TINY : number);
    let c = 1, d = 1 / away(1 - ((a + b) * x) / (a + 1)), result = d;
    for (let m = 1; m <= 1000; m++) {
      const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
      d = 1 / away(1 + even * d);
      c = away(1 + even / c);
      result *= d * c;
      const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
      d = 1 / away(1 + odd * d);
      c = away(1 + odd / c);
      result *= d * c;
      if (Math.abs(d * c - 1) < 1e-16) break;
    }
    return result;
  }

  const logBeta = (a, b) => logGamma(a) + logGamma(b) - logGamma(a + b);

  /** Return log Γ(x), x > 0, by Stirling's series (DLMF 5.11.1) after a shift to x >= 10. */
  function logGamma(x) {
    let shift = 0;
    for (; x < 10; x++) shift -= Math.log(x);
    const terms = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156];
    const series = terms.reduce((sum, term, n) => sum + term / x ** (2 * n + 1), 0);
    return shift + (x - 0.5) * Math.log(x) - x + Math.log(2 * Math.PI) / 2 + series;
  }

  hoibench.statistics = { mean, interval, tQuantile };
})();
