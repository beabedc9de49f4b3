"use strict";
// Adds sorting and the choice of columns, clips and seeds; without this script the board is a complete static table.
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

  /** Sort the methods of a table by the column whose head is marked as sorted. */
  function sortTable(table) {
    const head = table.querySelector("tr.metrics th[data-sorted=best], tr.metrics th[data-sorted=worst]");
    for (const body of table.querySelectorAll("tbody[data-sortable]")) {
      const rows = [...body.querySelectorAll("tr.row")];
      rows.forEach((row, place) => { row.dataset.place ??= place; });
      rows.sort((a, b) => a.dataset.place - b.dataset.place);
      if (head) rows.sort(compareRows(head.cellIndex, head.dataset.sorted === "best" ? 1 : -1));
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
    for (const head of heads) {
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
        sortTable(table);
      });
    }
  }

  /* Columns: one region at a time, column groups, secondary metrics, and those that order nobody. */
  function showColumns(section, form) {
    const region = form.querySelector("input[name=region]:checked");
    const secondary = form.querySelector("input[name=secondary]").checked;
    const folded = form.querySelector("input[name=folded]")?.checked;
    const groups = new Set([...form.querySelectorAll("input[name=group]:checked")].map((box) => box.value));
    for (const part of section.querySelectorAll("div.table")) {
      part.hidden = region !== null && part.dataset.region !== region.value;
      for (const cell of part.querySelectorAll("tr.metrics [data-group], tr.row [data-group]")) {
        cell.hidden = !groups.has(cell.dataset.group) || (!secondary && cell.dataset.secondary !== undefined)
          || (!folded && cell.dataset.folded !== undefined);
      }
      for (const head of part.querySelectorAll("tr.groups th")) {
        const shown = part.querySelectorAll(`tr.metrics th[data-group="${head.dataset.group}"]:not([hidden])`).length;
        head.hidden = shown === 0;
        head.colSpan = Math.max(1, shown);
      }
    }
  }

  function setUpForm(section) {
    const form = section.querySelector("form.controls");
    const filter = new hoibench.ClipFilter(section, form, () => section.querySelectorAll("table").forEach(sortTable));
    form.addEventListener("change", () => {
      showColumns(section, form);
      filter.apply();
    });
    form.addEventListener("submit", (event) => event.preventDefault());
    form.reset();
    form.hidden = false;
    showColumns(section, form);
  }

  document.querySelectorAll("section.board table").forEach(setUpSorting);
  document.querySelectorAll("section.board").forEach(setUpForm);
})();
