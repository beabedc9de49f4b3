"use strict";
// The values of a board's columns, from its data files, and what a cell says about some of the clips: the twin of hoibench/results/cells.py.
(function () {
  const { decode, load, statistics } = hoibench;

  /** Load a column of one seed, or of all seeds (null).  Arrays have row m and clip c at place m * clips + c, and NaN where there is no value. */
  async function loadColumn(column, seed = null) {
    const data = await load(seed === null ? column.file : `${column.file}-s${seed}`);
    return (data.decoded ??= decodeColumn(data));
  }

  function decodeColumn(data) {
    const value = decode(data.value, Float64Array);
    const signed = data.cost_sign ? value.map((each) => data.cost_sign * each) : null;
    return {
      value,
      ownValue: data.own_value ? decode(data.own_value, Float64Array) : value,
      cost: data.cost ? decode(data.cost, Float64Array) : signed,
      failed: decode(data.failed, Uint8Array),
      capped: data.capped, withheld: data.withheld, clips: value.length / data.capped.length,
      texts: data.texts ?? [], reasons: data.reasons ?? [],
    };
  }

  /** Return what a cell says about the clips at some places: `value` is null without one.
   *  `data` is from loadColumn, `row` the row's index, and `board` the description with the clips' clusters. */
  function summarize(column, data, row, places, board) {
    const read = (array) => places.map((c) => array[row * data.clips + c]);
    const own = read(data.ownValue), failed = read(data.failed);
    const isAnswered = own.map((value) => !Number.isNaN(value));
    const answers = own.filter((_, n) => isAnswered[n]);
    const summary = {
      value: null, order: null, interval: null, overAnswered: null, factor: null, distance: null,
      answered: answers.length, expected: places.length,
      failed: failed.filter((seeds, n) => seeds > 0 && !isAnswered[n]).length,
      failedSeeds: failed.reduce((sum, seeds) => sum + seeds, 0),
    };
    if (!answers.length || data.withheld[row]) return summary;
    const clusters = places.filter((_, n) => isAnswered[n]).map((c) => board.clips[c].cluster);
    const cost = data.cost ? meanOfPresent(read(data.cost)) : null;
    return {
      ...summary,
      value: meanOfPresent(read(data.value)),
      order: column.direction === "none" ? meanOfPresent(read(data.value)) : cost,
      interval: statistics.interval(answers, clusters, column.bounds),
      overAnswered: data.capped[row] && summary.failedSeeds ? statistics.mean(answers) : null,
      factor: column.direction === "ratio" && cost !== null ? Math.exp(cost) : null,
      distance: column.direction === "truth_distance" ? cost : null,
    };
  }

  function meanOfPresent(values) {
    const present = values.filter((value) => !Number.isNaN(value));
    return present.length ? statistics.mean(present) : null;
  }

  /** Return a number as text, as `format_number` of hoibench/results/cell_text.py does. */
  function formatNumber(value, decimals) {
    if (value === 0) return "0";
    let shown = value.toFixed(decimals);
    // Python rounds a tie to the even digit, toFixed away from zero; only a multiple of 2^-(decimals + 1) is a tie.
    const isTie = Number.isInteger(value * 2 ** (decimals + 1)) && (value * 10 ** decimals) % 1 !== 0
      && (value * 2 * 10 ** decimals) % 1 === 0;
    if (isTie && Number(shown.at(-1)) % 2) shown = (value - Math.sign(value) * 10 ** -decimals / 2).toFixed(decimals);
    if (Number(shown) === 0) shown = (value > 0 ? "<" : ">-") + (10 ** -decimals).toFixed(decimals);
    return shown.replace("-", "\u2212");
  }

  Object.assign(hoibench, { loadColumn, summarize, formatNumber });
})();
