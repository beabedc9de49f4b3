"use strict";
// Adds sorting and filters; without this script the board is a complete static table.
(function () {
  /* Sorting: best first, worst first, page order; rows without a value are always last. */
  const NEXT = { "": "best", best: "worst", worst: "" };

  function compareRows(column, sign) {
    return (a, b) => {
      const x = a.cells[column].dataset.order, y = b.cells[column].dataset.order;
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return sign * (Number(x) - Number(y));
    };
  }

  function sortTable(table, column, order) {
    for (const body of table.querySelectorAll("tbody[data-sortable]")) {
      const rows = [...body.querySelectorAll("tr.row")];
      rows.forEach((row, place) => { row.dataset.place ??= place; });
      rows.sort((a, b) => a.dataset.place - b.dataset.place);
      if (order) rows.sort(compareRows(column, order === "best" ? 1 : -1));
      body.append(...rows);
    }
  }

  // Screen readers announce the direction of the values; the best value may be the highest.
  function ariaSort(head) {
    if (!head.dataset.sorted) return "none";
    return (head.dataset.sorted === "best") === (head.dataset.better === "higher") ? "descending" : "ascending";
  }

  function setUpSorting(table) {
    const heads = [...table.querySelectorAll("tr.metrics th[data-better]")];
    heads.forEach((head, place) => {
      const title = head.querySelector(".title");
      const button = document.createElement("button");
      button.type = "button";
      button.className = "title";
      button.textContent = title.textContent;
      button.title = "Sort: best first, worst first, page order";
      title.replaceWith(button);
      head.dataset.sorted = "";
      button.addEventListener("click", () => {
        const order = NEXT[head.dataset.sorted];
        for (const other of heads) other.dataset.sorted = other === head ? order : "";
        for (const other of heads) other.setAttribute("aria-sort", ariaSort(other));
        sortTable(table, place + 1, order);
      });
    });
  }

  /* Filters: one region at a time, column groups, secondary metrics. */
  function applyFilters(board, form) {
    const region = form.querySelector("input[name=region]:checked");
    const secondary = form.querySelector("input[name=secondary]").checked;
    const groups = new Set([...form.querySelectorAll("input[name=group]:checked")].map((box) => box.value));
    for (const part of board.querySelectorAll("div.table")) {
      part.hidden = region !== null && part.dataset.region !== region.value;
      for (const cell of part.querySelectorAll("tr.metrics [data-group], tr.separable [data-group], tr.row [data-group]")) {
        cell.hidden = !groups.has(cell.dataset.group) || (!secondary && cell.dataset.secondary !== undefined);
      }
      for (const head of part.querySelectorAll("tr.groups th")) {
        const shown = Number(head.dataset.columns) - (secondary ? 0 : Number(head.dataset.secondary));
        head.hidden = !groups.has(head.dataset.group) || shown === 0;
        head.colSpan = Math.max(1, shown);
      }
    }
  }

  function setUpFilters(board) {
    const form = board.querySelector("form.controls");
    form.addEventListener("change", () => applyFilters(board, form));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.reset();
    form.hidden = false;
    applyFilters(board, form);
  }

  document.querySelectorAll("section.board table").forEach(setUpSorting);
  document.querySelectorAll("section.board").forEach(setUpFilters);
})();
