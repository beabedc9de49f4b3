"use strict";
// Filters of a board: means and intervals over some of the clips, or of one seed, in place of those of the whole board.
(function () {
  const { element, svgElement, count } = hoibench;
  const FIELDS = {
    tool: (clip) => clip.triplet?.slice(0, 1) ?? [],
    action: (clip) => clip.triplet?.slice(1, 2) ?? [],
    target: (clip) => clip.triplet?.slice(2, 3) ?? [],
    tag: (clip) => clip.tags,
  };

  class ClipFilter {
    /** Add the choices to a board's form; they are made when the user opens them, from the board's data file.
     *  `onChange` is called when the numbers of the cells have changed. */
    constructor(section, form, onChange) {
      this.section = section;
      this.onChange = onChange;
      this.saved = new Map();  // contents of the cells of the whole board
      this.turn = 0;
      this.selects = {};
      this.details = element("details", "clips-filter");
      this.details.append(element("summary", "", "Filter clips and seeds"));
      this.state = element("p", "filter-state");
      this.state.setAttribute("role", "status");
      this.details.append(this.state);
      this.details.addEventListener("toggle", () => this.fill(), { once: true });
      form.append(this.details);
    }

    async fill() {
      try {
        this.board = await hoibench.load(this.section.dataset.board);
      } catch (error) {
        this.state.textContent = error.message;
        return;
      }
      const choices = element("fieldset", "filters");
      choices.append(element("legend", "", "Only clips with"));
      for (const [name, read] of Object.entries(FIELDS)) {
        const values = [...new Set(this.board.clips.flatMap(read))].sort();
        const isEverywhere = (value) => this.board.clips.every((clip) => read(clip).includes(value));
        if (!values.every(isEverywhere)) this.addSelect(choices, name, values);
      }
      if (this.board.seeds.length > 1) this.addSelect(choices, "seed", this.board.seeds.map(String));
      const reset = element("button", "reset", "All clips and seeds");
      reset.type = "button";
      reset.addEventListener("click", () => {
        for (const select of Object.values(this.selects)) select.value = "";
        this.apply();
      });
      choices.append(reset);
      this.details.insertBefore(choices, this.state);
      if (!Object.keys(this.selects).length) this.state.textContent = "There is nothing to choose from on this board.";
    }

    addSelect(parent, name, values) {
      const label = element("label", "", name + " "), select = element("select");
      select.name = name;
      select.add(new Option("all", ""));
      values.forEach((value, n) => select.add(new Option(value, String(n))));
      label.append(select);
      parent.append(label);
      this.selects[name] = select;
    }

    /** Return the chosen text of a select, or null for all. */
    chosen(name) {
      const select = this.selects[name];
      return select && select.value !== "" ? select.selectedOptions[0].textContent : null;
    }

    /** Show the numbers of the chosen clips and seed in the visible columns, or those of the whole board if all are chosen. */
    async apply() {
      const turn = ++this.turn;
      const wanted = Object.keys(FIELDS).filter((name) => this.chosen(name) !== null);
      const seed = this.chosen("seed");
      const isFiltered = wanted.length > 0 || seed !== null;
      const cells = isFiltered ? this.visibleCells() : new Set();
      for (const cell of [...this.saved.keys()]) if (!cells.has(cell)) this.restore(cell);
      this.section.classList.toggle("filtered", isFiltered);
      for (const part of this.section.querySelectorAll("[data-whole-board]")) part.hidden = isFiltered;
      this.state.textContent = isFiltered ? "Reading the values…" : "";
      if (!isFiltered) return this.onChange();
      for (const cell of cells) if (!this.saved.has(cell)) this.save(cell);
      const places = [...this.board.clips.keys()].filter((c) =>
        wanted.every((name) => FIELDS[name](this.board.clips[c]).includes(this.chosen(name))));
      const columns = new Map();
      try {
        await Promise.all([...new Set([...cells].map((cell) => Number(cell.dataset.column)))].map(async (n) => {
          columns.set(n, await hoibench.loadColumn(this.board.columns[n], seed));
        }));
      } catch (error) {
        if (turn === this.turn) this.state.textContent = error.message;
        return;
      }
      if (turn !== this.turn) return;
      for (const cell of cells) {
        const column = this.board.columns[cell.dataset.column], data = columns.get(Number(cell.dataset.column));
        const row = Number(cell.closest("tr.row").dataset.row), isMethod = this.board.rows[row].role === "ranked";
        fillCell(cell, hoibench.summarize(column, data, row, places, this.board), column, isMethod, this.saved.get(cell));
      }
      this.state.textContent = this.describe(places, seed);
      this.onChange();
    }

    visibleCells() {
      const cells = this.section.querySelectorAll("div.table:not([hidden]) tr.row td[data-column]:not([hidden])");
      return new Set(cells);
    }

    save(cell) {
      this.saved.set(cell, { nodes: [...cell.childNodes], className: cell.className, order: cell.dataset.order });
      cell.replaceChildren();
    }

    restore(cell) {
      const { nodes, className, order } = this.saved.get(cell);
      cell.replaceChildren(...nodes);
      cell.className = className;
      setOrder(cell, order);
      this.saved.delete(cell);
    }

    describe(places, seed) {
      const pairs = new Set(places.map((c) => this.board.clips[c].cluster)).size;
      const extent = `${places.length} of ${count(this.board.clips.length, "clip")}, ${count(pairs, "object pair")}`;
      return `${seed === null ? "" : `Seed ${seed}, `}${extent}. Ties are not tested again; grey values and reasons are those of all clips.`;
    }
  }

  /** Show a summary from hoibench.summarize in a cell; `whole` has the saved contents of the whole board.  Other rows than methods have less. */
  function fillCell(cell, summary, column, isMethod, whole) {
    const find = (selector) => whole.nodes.filter((node) => node.nodeType === Node.ELEMENT_NODE && node.matches(selector));
    const number = (value) => hoibench.formatNumber(value, column.digits);
    const ends = (interval) => `${number(interval.low)} – ${number(interval.high)}`;
    const { value, interval, overAnswered, factor, distance, failed, failedSeeds, answered, expected } = summary;
    const nodes = [], add = (...given) => nodes.push(element(...given));
    const isComplete = answered === expected;
    if (failed) add("span", "failed-clips", answered ? `${failed} of ${expected} failed` : `failed 0/${expected}`);
    if (value !== null) add("span", "value", number(value));
    else if (find(".status").length) nodes.push(find(".status")[0].cloneNode(true));
    else if (!failed) add("span", "status", "–");
    nodes.push(...find("sup").map((note) => note.cloneNode(true)));
    if (value !== null && column.scale && (isMethod || find(".bar").length)) {
      nodes.push(drawBar(value, failedSeeds ? null : interval, column.scale));
    }
    if (value !== null && isMethod) {
      if (interval && !failedSeeds) add("span", "interval", ends(interval));
      if (failedSeeds && !failed) add("span", "extra", `${count(failedSeeds, "seed")} failed`);
      if (overAnswered !== null) add("span", "extra", `${number(overAnswered)}${interval ? ` (${ends(interval)})` : ""} answered`);
      if (factor !== null) add("span", "extra", `${factor.toFixed(2)}× off`);
      if (distance !== null) add("span", "extra", `${number(distance)} off`);
    }
    if (value !== null ? isMethod || !isComplete : !failed && !isComplete) {
      add("span", isComplete ? "count" : "count incomplete", `${answered}/${expected}`);
    }
    cell.replaceChildren(...nodes);
    cell.classList.remove("leader", "tied");
    setOrder(cell, summary.order ?? undefined);
  }

  function setOrder(cell, order) {
    if (order === undefined) delete cell.dataset.order; else cell.dataset.order = order;
  }

  /** Draw the mean and its interval on the column's scale, as leaderboard/bars.py does. */
  function drawBar(value, interval, [least, most]) {
    const x = (number) => Math.round(40 + 680 * Math.min(Math.max((number - least) / (most - least), 0), 1)) / 10;
    const svg = svgElement("svg", { class: "bar", width: 76, height: 7, viewBox: "0 0 76 7", "aria-hidden": "true" });
    svg.append(svgElement("path", { class: "axis", d: "M4 3.5h68" }));
    if (value < least || value > most) {
      svg.append(svgElement("path", { class: "off-scale", d: value < least ? "M4 3.5l4-3v6z" : "M72 3.5l-4-3v6z" }));
      return svg;
    }
    const low = x(interval ? interval.low : value), high = x(interval ? interval.high : value);
    svg.append(svgElement("rect", { class: "range", x: low, y: 1.5, width: Math.round(10 * (high - low)) / 10, height: 4 }));
    svg.append(svgElement("circle", { class: "dot", cx: x(value), cy: 3.5, r: 2.2 }));
    return svg;
  }

  hoibench.ClipFilter = ClipFilter;
})();
