"use strict";
// Curves of one value a frame for each method, with a cursor at the frame of a player's clock; a click goes to a frame.
(function () {
  const { element, svgElement } = hoibench;
  const HEIGHT = 144, LEFT = 44, RIGHT = 12, TOP = 8, BOTTOM = 22;

  /** Return about four round numbers from 0 to at least ``high``. */
  function ticks(high) {
    const rough = (high || 1) / 3, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((each) => each >= rough);
    const count = Math.max(1, Math.ceil(high / step - 1e-9));
    return Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(6)));
  }

  /** One figure: the curves of a title. */
  class Figure {
    /** lines: [{name, values, style}], style is the class of the line; a value is null where there is none. */
    constructor(title, lines, frames, player) {
      Object.assign(this, { title, lines, frames, player });
      this.svg = svgElement("svg", { role: "img", "aria-label": this.describe() });
      this.svg.addEventListener("click", (event) => player.seek(this.frameAt(event)));
      this.element = element("figure", "", element("figcaption", "", title), this.svg);
    }

    describe() {
      const ranges = this.lines.map(({ name, values }) => {
        const known = values.filter((value) => value !== null);
        if (!known.length) return name + " without values";
        const high = Math.max(...known), digits = Math.min(Math.max(2 - Math.floor(Math.log10(high || 1)), 0), 6);
        return name + " from " + Math.min(...known).toFixed(digits) + " to " + high.toFixed(digits);
      });
      return this.title + ", a value a frame: " + ranges.join("; ");
    }

    x(frame) {
      return LEFT + ((this.width - LEFT - RIGHT) * frame) / Math.max(this.frames - 1, 1);
    }

    frameAt(event) {
      const place = (event.clientX - this.svg.getBoundingClientRect().left - LEFT) / (this.width - LEFT - RIGHT);
      return Math.round(Math.min(Math.max(place, 0), 1) * (this.frames - 1));
    }

    resize() {
      this.width = Math.max(this.svg.clientWidth, 120);
      const marks = ticks(Math.max(0, ...this.lines.flatMap((line) => line.values))), top = marks.at(-1);
      const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
      const right = this.width - RIGHT, parts = [];
      for (const mark of marks) {
        parts.push(svgElement("line", { class: "grid", x1: LEFT, x2: right, y1: y(mark), y2: y(mark) }));
        parts.push(svgElement("text", { x: LEFT - 6, y: y(mark) + 4, "text-anchor": "end" }, String(mark)));
      }
      const label = (frame, anchor, text) => svgElement("text", { x: this.x(frame), y: HEIGHT - 5, "text-anchor": anchor }, text);
      parts.push(label(0, "start", "frame 0"), label(this.frames - 1, "end", String(this.frames - 1)));
      for (const { values, style } of this.lines) {
        const at = (frame) => this.x(frame).toFixed(1) + " " + y(values[frame]).toFixed(1);
        const steps = values.slice(0, this.frames).map((value, n) => (value === null ? "" : (n && values[n - 1] !== null ? "L" : "M") + at(n)));
        parts.push(svgElement("path", { class: style, d: steps.join("") }));
      }
      this.cursor = svgElement("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM });
      this.svg.replaceChildren(...parts, this.cursor);
      this.follow(this.player.frame);
    }

    follow(frame) {
      if (!this.cursor) return;
      for (const name of ["x1", "x2"]) this.cursor.setAttribute(name, this.x(Math.min(frame, this.frames - 1)));
    }
  }

  /**
   * The curves of a clip, in an element.
   *
   *     const curves = new hoibench.Curves(root, player);
   *     curves.show(clip, [{ key: "syncmv4d", name: "SyncMV4D" }, ...]);  // clip: the payload b1-clip-001; the truth and up to four methods
   */
  class Curves {
    constructor(root, player) {
      Object.assign(this, { root, player, figures: [] });
      player.onFrame((frame) => this.figures.forEach((figure) => figure.follow(frame)));
      new ResizeObserver(() => this.figures.forEach((figure) => figure.resize())).observe(root);
    }

    show(clip, rows) {
      const lines = new Map();
      let place = 0;
      for (const row of rows) {
        const style = row.key === "ground_truth" ? "truth" : "method-" + place++;
        for (const [title, values] of Object.entries(clip.rows[row.key]?.curves ?? {})) {
          if (!lines.has(title)) lines.set(title, []);
          lines.get(title).push({ name: row.name, values, style });
        }
      }
      this.figures = [...lines].map(([title, found]) => new Figure(title, found, clip.frames, this.player));
      this.root.replaceChildren(...this.figures.map((figure) => figure.element));
      this.figures.forEach((figure) => figure.resize());
    }
  }

  hoibench.Curves = Curves;
})();
