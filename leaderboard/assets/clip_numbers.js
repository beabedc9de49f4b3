"use strict";
// What the numbers of a board say about one clip: each metric's value, the row's own mean over the clips, and the clip's place among them.
(function () {
  const WORST = 3;
  const { mean } = hoibench.statistics;

  const titleOf = (column) => column.title + (column.region === "fg" ? ", foreground" : "");

  /** Return a row's numbers in a column, those of the clips without a value left out. */
  const known = (numbers, row, clips) => [...numbers.subarray(row * clips, (row + 1) * clips)].filter((each) => !Number.isNaN(each));

  /** Return what a column says of a row on a clip: the value or null, failed seeds, the row's mean, and how many of its `count` clips are better
   *  and worse, and by how many standard deviations it is worse than the mean.  `data` is from loadColumn. */
  function standing(column, data, row, clip) {
    const at = row * data.clips + clip;
    const value = data.withheld[row] ? NaN : data.value[at];
    const cost = data.cost ? data.cost[at] : NaN, costs = data.cost ? known(data.cost, row, data.clips) : [];
    return {
      column,
      value: Number.isNaN(value) ? null : value,
      failed: data.failed[at],
      mean: mean(known(data.value, row, data.clips)),
      better: costs.filter((each) => each < cost).length,
      worse: costs.filter((each) => each > cost).length,
      count: Number.isNaN(value) || Number.isNaN(cost) ? 0 : costs.length,
      excess: (cost - mean(costs)) / (deviation(costs) || 1),
    };
  }

  /** Return why a row has no value on a clip, "status: reason"; empty if it has one. */
  function reasonOf(data, row, clip) {
    const found = data.reasons.find(([m, c]) => m === row && (c === clip || c === -1));
    return found ? data.texts[found[2]] : "";
  }

  /** Return the reasons why a row failed on a clip, each with the titles of its columns: Map of reason to titles. */
  function failuresOf(board, row, clip) {
    const failures = new Map();
    board.columns.forEach((column, n) => {
      const reason = reasonOf(board.data[n], row, clip);
      if (/^(failed|undefined|error): /.test(reason)) failures.set(reason, [...(failures.get(reason) ?? []), column.title]);
    });
    return failures;
  }

  function deviation(numbers) {
    const centre = mean(numbers);
    return Math.sqrt(mean(numbers.map((each) => (each - centre) ** 2)));
  }

  /** Return a clip's place among the row's clips in words; empty if the column orders none. */
  function describePlace({ better, worse, count }) {
    if (count < 2 || (!better && !worse)) return "";
    if (!worse) return `worst of ${count} clips`;
    return better ? `${ordinal(better + 1)} of ${count} clips` : `best of ${count} clips`;
  }

  function ordinal(number) {
    const suffix = number % 100 > 10 && number % 100 < 14 ? "th" : { 1: "st", 2: "nd", 3: "rd" }[number % 10] ?? "th";
    return number + suffix;
  }

  /** Return up to three ranked metrics, in one region each, in which the clip is worse than the row's mean and than most of its clips, the worst
   *  place first. */
  function worstPlaces(board, row, clip) {
    const place = ({ better, count }) => better / (count - 1);
    const found = board.columns
      .map((column, n) => standing(column, board.data[n], row, clip))
      .filter((each) => each.column.ranked && each.count > 1 && each.better > each.worse && each.excess > 0)
      .sort((a, b) => place(b) - place(a) || b.column.primary - a.column.primary || b.excess - a.excess);
    const metrics = found.map((each) => each.column.metric);
    return found.filter((each, n) => metrics.indexOf(each.column.metric) === n).slice(0, WORST);
  }

  /** Return the indices of the clips in an order: "id", "worst" of the first row, or by the "difference" of the first two; without a number last. */
  function orderClips(data, order, [first, second]) {
    const cost = (row, clip) => data.cost?.[row * data.clips + clip] ?? NaN;
    const keys = Array.from({ length: data.clips }, (_, clip) => ({
      id: 0,
      worst: cost(first, clip),
      difference: Math.abs(cost(first, clip) - cost(second, clip)),
    })[order]).map((key) => (Number.isNaN(key) ? -Infinity : key));
    return [...keys.keys()].sort((a, b) => (keys[a] === keys[b] ? a - b : keys[b] - keys[a]));
  }

  Object.assign(hoibench, { titleOf, standing, reasonOf, failuresOf, describePlace, worstPlaces, orderClips });
})();
