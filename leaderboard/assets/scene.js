"use strict";
// The 4D view: true and predicted points of a clip in the world, drawn at the frame of a player's clock, see leaderboard/points.py.
(function () {
  const { element, Pinhole, Orbit, Painter, frustum, cameraCentre, MARK_HEIGHT } = hoibench;
  const ORBIT_MARK = 15; // the view in the frame mark while no view's camera looks
  const MISSING = 65535, MOST_POINTS = 3600;
  const GLYPHS = ["■", "◆", "▲", "✚"], GHOST = "●", TRUTH = "ground_truth";
  const PARTS = ["left hand", "right hand", "tool", "target"];
  const BOUNDS = [0.5, 1, 2, 4, 8, 16, 32]; // cm: where the colour of a distance changes
  const DISTANCES = ["< 0.5 cm", ...BOUNDS.slice(1).map((high, n) => BOUNDS[n] + "–" + high), "> 32"];

  /** Decode a data file p-DIGEST: xyz are metres, (V, N, K, 3) in one array, NaN where missing. */
  function decodePoints({ views, frames, points, part, box: [low, high], xyz }) {
    const steps = hoibench.decode(xyz, Uint16Array), metres = new Float32Array(steps.length);
    for (let i = 0; i < steps.length; i++) {
      metres[i] = steps[i] === MISSING ? NaN : low[i % 3] + (steps[i] / (MISSING - 1)) * (high[i % 3] - low[i % 3]);
    }
    return { views, frames, points, part: hoibench.decode(part, Uint8Array), xyz: metres };
  }

  /**
   * The 4D view and the curves, in an element with the contents of scene.html.
   *
   *     const scene = new hoibench.Scene(root, player);
   *     scene.show(clip, [{ key: "syncmv4d", name: "SyncMV4D" }, ...]);  // clip: the payload b1-clip-001; the truth is added by itself
   */
  class Scene {
    constructor(root, player) {
      this.curves = new hoibench.Curves(root.querySelector(".curves"), player);
      Object.assign(this, { root, player, clip: null, drawn: null, width: 0, height: 0, isWaiting: false, isDragging: false });
      this.canvas = root.querySelector("canvas");
      this.picture = this.canvas.parentElement;
      this.words = this.picture.querySelector("p");
      this.form = root.querySelector("form");
      this.context = this.canvas.getContext("2d", { alpha: false });
      player.onFrame(() => this.draw());
      this.form.addEventListener("change", (event) => this.choose(event.target.name));
      this.form.addEventListener("submit", (event) => event.preventDefault());
      this.canvas.addEventListener("keydown", (event) => this.press(event));
      this.setUpPointer();
      new ResizeObserver(() => this.resize()).observe(this.picture);
      const recolour = () => { this.readColours(); this.draw(); };
      new MutationObserver(recolour).observe(document.documentElement, { attributeFilter: ["data-theme"] });
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
    }

    /** Show the points of a clip for some rows (methods), at most four of them. */
    async show(clip, rows) {
      const methods = rows.filter((row) => row.key !== TRUTH && Object.hasOwn(clip.rows, row.key)).slice(0, GLYPHS.length);
      const mine = (this.last = {});
      this.clip = null;
      this.describeRows(clip, methods);
      this.curves.show(clip, [...methods, ...rows.filter((row) => row.key === TRUTH)]);
      this.root.classList.toggle("without-points", !clip.truth);
      if (!clip.truth) return this.say(methods.length ? clip.rows[methods[0].key].alignment : "no points of this clip");
      this.say("loading");
      try {
        const shown = methods.filter((row) => clip.rows[row.key].points);
        const files = [clip.truth, ...shown.map((row) => clip.rows[row.key].points)];
        const [truth, ...clouds] = (await Promise.all(files.map(hoibench.load))).map(decodePoints);
        if (mine !== this.last) return undefined;
        this.truth = { ...truth, name: "the truth", shape: -1 };
        this.clouds = clouds.map((cloud, n) => ({ ...cloud, name: shown[n].name, shape: methods.indexOf(shown[n]) }));
        this.fillForm(clip);
        this.clip = clip;
      } catch (error) {
        return mine === this.last ? this.say("no points: " + error.message) : undefined;
      }
      this.say("");
      if (this.id === clip.id) return this.choose(); // other methods of the same clip: the view stays
      this.id = clip.id;
      this.orbit = new Orbit(this.somePoints(), clip.views);
      return this.choose("look");
    }

    say(words) {
      this.words.textContent = words;
      this.picture.dataset.state = words ? "none" : "ready";
    }

    somePoints() {
      const { xyz } = this.truth, points = [];
      for (let i = 0; i < xyz.length; i += 3) if (xyz[i] === xyz[i]) points.push(xyz.slice(i, i + 3)); // NaN equals nothing
      return points;
    }

    /* Legend, form and colours */
    describeRows(clip, methods) {
      const item = (className, glyph, name, words) => element("li", "", element("span", className, glyph), " ", element("strong", "", name), words);
      const swatches = (kind, names) => names.map((name, n) => element("li", "", element("span", kind + "-" + n, GHOST), " " + name));
      this.root.querySelector(".alignments").replaceChildren(
        ...methods.map((row, n) => item("method-" + n, GLYPHS[n], row.name, ": " + clip.rows[row.key].alignment)),
        ...(clip.truth ? [item("truth", GHOST, "Truth", "")] : []),
      );
      const line = this.root.querySelector(".export"); // an id that a shell could take for something else is not put into a command
      line.hidden = !clip.truth || !/^[\w.-]+$/.test(clip.id);
      line.querySelector("code").textContent = "hoibench export RUN --clip " + clip.id + " --out clip.rrd";
      this.root.querySelector(".part-colours").replaceChildren(...swatches("part", PARTS));
      this.root.querySelector(".error-colours").replaceChildren(...swatches("error", DISTANCES));
      this.readColours();
    }

    fillForm(clip) {
      const { look, views } = this.form.elements, chosen = [look.value, views.value];
      const named = (prefix) => clip.views.map((view, v) => new Option(prefix + view.id, v));
      look.replaceChildren(new Option("around the points", "near"), new Option("around the cameras", "far"), ...named("from camera "));
      views.replaceChildren(new Option("of all views", "all"), ...named("of view "));
      [look.value, views.value] = chosen;
      for (const box of [look, views]) if (box.selectedIndex < 0) box.selectedIndex = 0;
    }

    readColours() {
      const of = (selector) => getComputedStyle(this.root.querySelector(selector) ?? this.words).color;
      this.colours = [of(".truth"), ...GLYPHS.map((_, n) => of(".method-" + n)), ...PARTS.map((_, n) => of(".part-" + n)), ...DISTANCES.map((_, n) => of(".error-" + n))];
      this.paper = getComputedStyle(this.picture).backgroundColor;
      this.lines = getComputedStyle(this.words).color;
    }

    choose(changed) {
      const { look, views, colour, trails, truth, cameras } = this.form.elements;
      this.options = { views: views.value, colour: colour.value, trails: trails.checked, truth: truth.checked, cameras: cameras.checked };
      this.view = /^\d+$/.test(look.value) ? Number(look.value) : null;
      if (changed === "look" && this.view === null) this.orbit.stand(look.value);
      this.root.querySelector(".part-colours").hidden = colour.value !== "part";
      this.root.querySelector(".error-colours").hidden = colour.value !== "error";
      this.draw();
    }

    look(value) {
      this.form.elements.look.value = value;
      this.choose("look");
    }

    /* Keys and pointer */
    press(event) {
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const { key } = event, turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
      if (!this.clip) return;
      if (turns[key]) this.turn(...turns[key]);
      else if (key === "+" || key === "=") this.zoom(1 / 1.15);
      else if (key === "-") this.zoom(1.15);
      else if (key === "0") this.look("near");
      else if (/^[1-9]$/.test(key) && this.clip.views[key - 1]) this.look(String(key - 1));
      else return;
      event.preventDefault();
    }

    setUpPointer() {
      let last = null;
      this.canvas.addEventListener("pointerdown", (event) => {
        last = [event.clientX, event.clientY];
        this.canvas.setPointerCapture(event.pointerId);
      });
      this.canvas.addEventListener("pointermove", (event) => {
        if (!last || !this.clip) return;
        this.isDragging = true;
        this.turn((event.clientX - last[0]) / 150, (event.clientY - last[1]) / 150);
        last = [event.clientX, event.clientY];
      });
      const release = () => { last = null; this.isDragging = false; this.draw(); };
      for (const name of ["pointerup", "pointercancel"]) this.canvas.addEventListener(name, release);
      this.canvas.addEventListener("wheel", (event) => {
        if (document.activeElement !== this.canvas || !this.clip) return; // else the page scrolls
        event.preventDefault();
        this.zoom(Math.exp(event.deltaY / 500));
      }, { passive: false });
    }

    turn(azimuth, elevation) {
      this.leaveView();
      this.orbit.turn(azimuth, elevation);
      this.drawSoon();
    }

    zoom(factor) {
      this.leaveView();
      this.orbit.zoom(factor);
      this.drawSoon();
    }

    leaveView() {
      if (this.view === null) return;
      this.orbit.lookFrom(cameraCentre(this.clip.views[this.view], this.drawn));
      this.look("near");
    }

    /* Drawing */
    resize() {
      const ratio = window.devicePixelRatio || 1;
      this.width = Math.max(Math.round(this.picture.clientWidth * ratio), 32);
      this.height = Math.max(Math.round((2 / 3) * this.width), 32);
      this.ratio = ratio;
      this.canvas.width = this.width;
      this.canvas.height = this.height + MARK_HEIGHT;
      this.draw();
    }

    drawSoon() {
      if (this.isWaiting) return;
      this.isWaiting = true;
      requestAnimationFrame(() => { this.isWaiting = false; this.draw(); });
    }

    draw() {
      if (!this.clip || !this.width) return;
      const { clip, options, context } = this, frame = Math.min(this.player.frame, this.truth.frames - 1);
      const camera = this.view === null ? this.orbit.camera(this) : Pinhole.fromView(clip.views[this.view], clip.size, frame, this);
      const painter = new Painter(context, camera, this.ratio), clouds = [...(options.truth || !this.clouds.length ? [this.truth] : []), ...this.clouds];
      context.fillStyle = this.paper;
      context.fillRect(0, 0, this.width, this.height + MARK_HEIGHT);
      context.strokeStyle = this.lines;
      if (camera.border) context.strokeRect(...camera.border);
      if (options.cameras) this.drawCameras(painter, frame);
      if (options.trails && !this.isDragging) {
        const colourOf = ({ shape }) => (options.colour === "method" || shape < 0 ? this.colours[shape + 1] : this.lines);
        for (const cloud of clouds) painter.trails(cloud, this.viewsOf(cloud), frame, colourOf(cloud));
      }
      painter.points(this.visiblePoints(camera, clouds, frame), this.view === null ? this.orbit.distance : null);
      if (this.view === null) painter.scale((0.1 * camera.fx) / this.orbit.distance, "10 cm", this.height, this.lines);
      hoibench.drawMark(context, frame, this.view ?? ORBIT_MARK, this.height);
      this.drawn = frame;
      if (!this.player.playing) this.describe(frame);
    }

    drawCameras(painter, frame) {
      this.clip.views.forEach((view, v) => {
        if (v === this.view) return;
        const edges = frustum(view, this.clip.size, frame, this.orbit.frustumDepth);
        painter.lines(edges, view.id, cameraCentre(view, frame), this.lines);
      });
    }

    viewsOf(cloud) {
      if (cloud.views === 1) return [0];
      return this.options.views === "all" ? [...Array(cloud.views).keys()] : [Number(this.options.views)].filter((v) => v < cloud.views);
    }

    /** Return the points that a camera sees, as Painter.points takes them: every second, third ... of each cloud if there are too many. */
    visiblePoints(camera, clouds, frame) {
      const total = clouds.reduce((sum, cloud) => sum + cloud.points * this.viewsOf(cloud).length, 0), step = Math.ceil(total / MOST_POINTS);
      const found = [];
      for (const cloud of clouds) {
        for (const v of this.viewsOf(cloud)) {
          for (let k = 0; k < cloud.points; k += step) {
            const i = 3 * ((v * cloud.frames + frame) * cloud.points + k);
            if (!camera.project(cloud.xyz, i)) continue;
            found.push([camera.u, camera.v, camera.z, cloud.shape, this.colours[this.colourOf(cloud, k, i, frame)]]);
          }
        }
      }
      return found;
    }

    describe(frame) {
      const where = this.view === null ? "from around" : "from camera " + this.clip.views[this.view].id;
      const names = [...this.clouds.map((cloud) => cloud.name), "the truth"].join(", ");
      this.canvas.setAttribute("aria-label", "Points of " + names + " " + where + ", frame " + frame + " of " + this.clip.frames);
    }

    /** Return a point's index in ``colours``: by method, by part, or by its distance to the truth. */
    colourOf(cloud, k, i, frame) {
      if (this.options.colour === "part" && (cloud.shape >= 0 || !this.clouds.length)) return 1 + GLYPHS.length + Math.min(cloud.part[k], PARTS.length - 1);
      if (cloud.shape < 0 || this.options.colour !== "error") return cloud.shape + 1;
      const a = cloud.xyz, b = this.truth.xyz, j = 3 * (frame * this.truth.points + k);
      const cm = 100 * Math.hypot(a[i] - b[j], a[i + 1] - b[j + 1], a[i + 2] - b[j + 2]);
      return 1 + GLYPHS.length + PARTS.length + BOUNDS.filter((bound) => cm >= bound).length;
    }
  }

  hoibench.Scene = Scene;
})();
