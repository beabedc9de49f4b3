"use strict";
// The tables of all metrics on one clip: a row a metric, a column for each of the chosen rows (methods) and the truth.
(function () {
  const { element, count, titleOf, standing, reasonOf, describePlace, worstPlaces, formatNumber } = hoibench;

  /** Fill a section's tables, one of the ranked metrics and one of the others, and name the metrics without a value. */
  function showNumbers(section, { board, clip, rows }) {
    const shown = [...rows, ...(board.truth < 0 ? [] : [board.truth])];
    const worst = new Map(shown.map((m) => [m, m === board.truth ? [] : worstPlaces(board, m, clip).map((each) => each.column)]));
    const cellOf = (n, m) => {
      const column = board.columns[n], data = board.data[n], found = standing(column, data, m, clip);
      const place = board.rows[m].role === "ranked" ? describePlace(found) : "";
      const cell = valueCell(found, place, reasonOf(data, m, clip));
      cell.className = board.rows[m].role + (worst.get(m).includes(column) ? " worst-place" : "");
      cell.dataset.row = board.rows[m].name;
      return cell;
    };
    const hasValue = (n) => shown.some((m) => !Number.isNaN(board.data[n].value[m * board.data[n].clips + clip]));
    const columns = [...board.columns.keys()], found = columns.filter(hasValue), empty = columns.filter((n) => !hasValue(n));
    const names = shown.map((m) => heading("col", board.rows[m].role, board.rows[m].name));
    const fill = (table, numbers) => {
      const groups = new Map(numbers.map((n) => [board.columns[n].group, []]));
      for (const n of numbers) groups.get(board.columns[n].group).push(element("tr", "row", metricHead(board.columns[n]), ...shown.map((m) => cellOf(n, m))));
      const bodies = [...groups].map(([title, lines]) => element("tbody", "", groupHead(title, shown.length + 1), ...lines));
      const head = element("tr", "metrics", heading("col", "name", "Metric"), ...names.map((name) => name.cloneNode(true)));
      table.replaceChildren(table.caption, element("thead", "", head), ...bodies);
    };
    const [ranked, others] = section.querySelectorAll("table"), details = section.querySelector("details"), note = section.querySelector(".without");
    fill(ranked, found.filter((n) => board.columns[n].ranked));
    fill(others, found.filter((n) => !board.columns[n].ranked));
    details.hidden = !others.tBodies.length;
    note.hidden = !empty.length;
    note.textContent = "Without a value here: " + describeEmpty(board, empty, shown, clip) + ".";
  }

  /** Return the metrics of some columns without a value by the status of their rows: "unavailable: CLIP similarity, ...; missing: ...". */
  function describeEmpty(board, columns, rows, clip) {
    const titles = new Map();
    for (const n of columns) {
      const words = [...new Set(rows.map((m) => reasonOf(board.data[n], m, clip).split(":")[0]))].filter(Boolean).join(", ") || "missing";
      titles.set(words, (titles.get(words) ?? new Set()).add(board.columns[n].title));
    }
    return [...titles].map(([words, found]) => `${words}: ${[...found].join(" · ")}`).join("; ");
  }

  function heading(scope, className, ...children) {
    const made = element("th", className, ...children);
    made.scope = scope;
    return made;
  }

  function groupHead(title, columns) {
    const head = heading("rowgroup", "", element("span", "", title));
    head.colSpan = columns;
    return element("tr", "section", head);
  }

  function metricHead(column) {
    const link = element("a", "", titleOf(column));
    link.href = "metrics.html#card-" + column.card;
    return heading("row", "name", column.card ? link : titleOf(column), column.primary ? " ★ " : " ", element("span", "unit", `${column.arrow} ${column.unit}`));
  }

  function valueCell({ column, value, failed, mean }, place, reason) {
    const cell = element("td");
    if (value === null) {
      cell.append(element("span", failed ? "failed" : "none", failed ? "failed" : reason.split(":")[0] || "–"));
      cell.title = reason;
      return cell;
    }
    const context = ["mean " + formatNumber(mean, column.digits), place].filter(Boolean).join(" · ");
    cell.append(element("span", "value", formatNumber(value, column.digits)), element("span", "extra", context));
    if (failed) cell.append(element("span", "failed-clips", count(failed, "failed seed")));
    return cell;
  }

  Object.assign(hoibench, { showNumbers });
})();
