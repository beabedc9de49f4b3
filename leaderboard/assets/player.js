"use strict";
// Plays videos in step: one clock draws the same frame of every view of every method from sprite sheets, see leaderboard/sheet.py.
(function () {
  const { element } = hoibench;
  const MARK_HEIGHT = 8, MARK_BLOCKS = 16;
  const MAX_FRAMES = 256; // of a sheet, see leaderboard/media.py

  /** Draw the mark of a frame and a view as 16 black or white blocks over the width of a canvas, as ``frame_mark`` in sheet.py defines it. */
  function drawMark(context, frame, view, top) {
    const width = context.canvas.width, check = ((frame >> 4) + (frame & 15) + view + 5) & 15;
    const bits = ((frame & 255) << 8) | ((view & 15) << 4) | check;
    for (let block = 0; block < MARK_BLOCKS; block++) {
      const left = Math.ceil((block * width) / MARK_BLOCKS), right = Math.ceil(((block + 1) * width) / MARK_BLOCKS);
      context.fillStyle = (bits >> (MARK_BLOCKS - 1 - block)) & 1 ? "#fff" : "#000";
      context.fillRect(left, top, right - left, MARK_HEIGHT);
    }
  }

  const ending = (frames) => (frames < MAX_FRAMES ? "ends after " + frames + " frames" : "only the first " + frames + " frames are shown here");

  /* One view of one method: a canvas that shows one tile of a sheet, or words. It never shows another frame than that of the clock. */
  class Panel {
    /** source: {label, sheet, tile: [h, w], grid, frames}, or {label, problem}. */
    constructor(source) {
      this.source = source;
      this.element = element("div", "frame");
      this.canvas = element("canvas");
      this.words = element("p");
      this.canvas.setAttribute("role", "img");
      this.element.append(this.canvas, this.words);
      this.frame = 0;
      this.sheet = null;
      this.problem = source.problem || null;
      if (!this.problem) {
        const [height, width] = source.tile;
        this.canvas.width = width;
        this.canvas.height = height + MARK_HEIGHT;
        this.element.style.setProperty("--shape", width + " / " + (height - 1)); // one row less, which the mark's edge would tint
        this.context = this.canvas.getContext("2d", { alpha: false });
        this.load();
      }
      this.draw(0);
    }

    async load() {
      try {
        const image = new Image();
        image.src = this.source.sheet;
        await image.decode();
        this.sheet = await createImageBitmap(image);
      } catch {
        this.problem = "no video: " + this.source.sheet + " cannot be read";
      }
      if (this.closed) this.close();
      else this.draw(this.frame);
    }

    draw(frame) {
      const { frames, grid, tile } = this.source;
      this.frame = frame;
      const words = this.problem || (!this.sheet ? "loading" : frame >= frames ? ending(frames) : "");
      this.element.dataset.state = words ? (words === "loading" ? words : "none") : "ready";
      if (this.words.textContent !== words) this.words.textContent = words;
      if (words) return;
      const [height, width] = [tile[0] + MARK_HEIGHT, tile[1]];
      const left = (frame % grid) * width, top = Math.floor(frame / grid) * height;
      this.context.drawImage(this.sheet, left, top, width, height, 0, 0, width, height);
    }

    describe(text) {
      this.canvas.setAttribute("aria-label", this.source.label + ", " + text);
    }

    close() {
      this.closed = true;
      if (this.sheet) this.sheet.close();
      this.sheet = null;
    }
  }

  const KEYS = {
    " ": (player) => player.toggle(),
    ",": (player) => player.step(-1),
    ".": (player) => player.step(1),
    Home: (player) => player.seek(0),
    End: (player) => player.seek(player.frames - 1),
  };

  /**
   * The clock of a page, with the panels that it draws and the controls in its element: buttons named back, play and forward, an input named frame,
   * a select named speed, and an output; all are optional. Playing follows the wall clock: a slow machine skips frames and never drifts.
   *
   *     const player = new hoibench.Player(root);
   *     player.show(clip, [{ key: "ground_truth", name: "Ground truth" }, ...]);  // clip: the payload b1-clip-001
   *     player.onFrame((frame) => ...);
   *     player.seek(7);
   */
  class Player {
    constructor(root, { frames = 1, fps = 8 } = {}) {
      this.root = root;
      this.frame = 0;
      this.speed = 1;
      this.playing = false;
      this.panels = [];
      this.listeners = [];
      const named = (name) => root.querySelector("[name=" + name + "]");
      this.controls = { play: named("play"), scrubber: named("frame"), speed: named("speed"), output: root.querySelector("output") };
      const on = (control, event, act) => control && control.addEventListener(event, act);
      on(this.controls.play, "click", () => this.toggle());
      on(named("back"), "click", () => this.step(-1));
      on(named("forward"), "click", () => this.step(1));
      on(this.controls.scrubber, "input", () => { this.pause(); this.seek(Number(this.controls.scrubber.value)); });
      on(this.controls.speed, "change", () => { this.speed = Number(this.controls.speed.value); this.start = null; });
      root.addEventListener("keydown", (event) => this.press(event));
      this.open({ frames, fps });
    }

    /** Set the number of frames and the rate of the clock; the frame stays where it can. */
    open({ frames, fps }) {
      this.frames = frames;
      this.fps = fps;
      if (this.controls.scrubber) this.controls.scrubber.max = frames - 1;
      this.seek(this.frame);
    }

    onFrame(callback) {
      this.listeners.push(callback);
    }

    /** Go to a frame, the nearest one that exists. */
    seek(frame) {
      this.start = null;
      this.set(Math.min(Math.max(Math.trunc(frame) || 0, 0), this.frames - 1));
    }

    step(frames) {
      this.pause();
      this.seek(this.frame + frames);
    }

    toggle() {
      if (this.playing) this.pause();
      else this.play();
    }

    play() {
      if (this.playing || this.frames < 2) return;
      this.playing = true;
      this.start = null;
      this.describe();
      requestAnimationFrame((now) => this.tick(now));
    }

    pause() {
      this.playing = false;
      this.describe();
    }

    tick(now) {
      if (!this.playing) return;
      if (this.start === null) [this.start, this.first] = [now, this.frame];
      const passed = Math.floor(((now - this.start) / 1000) * this.fps * this.speed);
      const frame = (this.first + passed) % this.frames;
      if (frame !== this.frame) this.set(frame);
      requestAnimationFrame((next) => this.tick(next));
    }

    set(frame) {
      this.frame = frame;
      for (const panel of this.panels) panel.draw(frame);
      if (this.controls.scrubber) this.controls.scrubber.value = frame;
      if (this.controls.output) this.controls.output.textContent = frame + " of " + this.frames;
      if (!this.playing) this.describe();
      for (const callback of this.listeners) callback(frame);
    }

    // The words of the controls and of the pictures; the pictures' change only while the clock stands, lest a screen reader never stop.
    describe() {
      if (this.controls.play) this.controls.play.textContent = this.playing ? "Pause" : "Play";
      for (const panel of this.panels) panel.describe(this.playing ? "playing" : "frame " + this.frame + " of " + this.frames);
    }

    press(event) {
      const act = KEYS[event.key], target = event.target;
      if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
      if (target.closest("select, textarea, input:not([type=range])")) return;
      if (event.key === " " && target.closest("button, summary, a")) return;
      event.preventDefault();
      act(this);
    }

    /** Add a view of a method to the clock, and return its element. */
    add(source) {
      const panel = new Panel(source);
      this.panels.push(panel);
      panel.draw(this.frame);
      panel.describe("frame " + this.frame + " of " + this.frames);
      return panel.element;
    }

    /** Show a clip in the element with class ``panels``: a row a view, a column for each of the rows (methods) given as {key, name}. */
    show(clip, rows) {
      for (const panel of this.panels.splice(0)) panel.close();
      this.open(clip);
      const grid = element("div", "views");
      const tile = Object.values(clip.rows).map((media) => media.tile).find((size) => size && size[0]) || [2, 3];
      grid.style.setProperty("--columns", rows.length);
      grid.style.setProperty("--rows", clip.views.length);
      grid.style.setProperty("--ratio", tile[1] / tile[0]);
      grid.append(element("span", "corner"), ...rows.map((row) => element("p", "method", row.name)));
      clip.views.forEach((view, v) => {
        grid.append(element("p", "view", view.id));
        for (const row of rows) grid.append(this.add(panelSource(clip, row, v)));
      });
      this.root.querySelector(".panels").replaceChildren(chooser(grid, rows), grid, downloads(clip, rows));
    }
  }

  const mediaOf = (clip, row) => (Object.hasOwn(clip.rows, row.key) ? clip.rows[row.key] : null);

  function panelSource(clip, row, view) {
    const media = mediaOf(clip, row), label = row.name + ", view " + clip.views[view].id;
    const problem = media ? media.problem || (media.sheets[view] ? null : "no video of this view") : "no video: the site has those of methods and of the truth";
    return problem ? { label, problem } : { label, sheet: media.sheets[view], tile: media.tile, grid: media.grid, frames: media.frames };
  }

  // On a narrow screen one method stands beside the truth, the first column.
  function chooser(grid, rows) {
    const label = element("label", "chooser", "Beside " + rows[0].name + ": "), select = element("select");
    rows.slice(1).forEach((row, n) => select.append(new Option(row.name, n + 1)));
    const choose = () => [...grid.children].forEach((child, place) => {
      const column = place % (rows.length + 1);
      child.classList.toggle("aside", column > 1 && column - 1 !== Number(select.value));
    });
    select.addEventListener("change", choose);
    label.append(select);
    label.hidden = rows.length < 3;
    choose();
    return label;
  }

  function downloads(clip, rows) {
    const list = element("p", "downloads");
    for (const row of rows) {
      const videos = mediaOf(clip, row)?.videos || [];
      if (!videos.length) continue;
      list.append(element("span", "", "Full-size videos of " + row.name + ": "));
      videos.forEach((video, v) => {
        const link = element("a", "", clip.views[v]?.id || "view " + v);
        link.href = video;
        list.append(link, " ");
      });
    }
    list.hidden = !list.childElementCount;
    return list;
  }

  Object.assign(hoibench, { Player, drawMark, MARK_HEIGHT });
})();
