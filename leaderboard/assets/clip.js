"use strict";
// The clip page.  Which clip of which board it shows, for which rows (methods), stands in the address after #, so that links keep working:
// #board=1&clip=ID&rows=KEY,KEY&frame=7.  Ids are only compared with those of the board, never put into a path or into HTML.
(function () {
  const MAX_METHODS = 4;
  const { element, count, titleOf, failuresOf, describePlace, worstPlaces, orderClips, formatNumber } = hoibench;
  const page = document.querySelector("#clip"), form = page.querySelector("form.picker");
  const find = (selector) => page.querySelector(selector);
  const boards = new Map();
  let shown = null, turn = 0, writing = 0;

  /* What to show, from the address; the first of everything for what the address does not say or says wrongly. */
  async function readState() {
    const address = new URLSearchParams(location.hash.slice(1));
    const numbers = [...form.elements.board.options].map((option) => option.value);
    const number = numbers.includes(address.get("board")) ? address.get("board") : numbers[0];
    const board = await loadBoard(number);
    const keys = (address.get("rows") ?? "").split(","), frame = address.get("frame") ?? "";
    const asked = [...new Set(keys.map((key) => board.rows.findIndex((row) => row.key === key)))].filter((m) => m >= 0 && m !== board.truth);
    return {
      number, board,
      clip: Math.max(0, board.clips.findIndex((clip) => clip.id === address.get("clip"))),
      rows: (asked.length ? asked : firstMethods(board)).slice(0, MAX_METHODS),
      frame: /^\d{1,4}$/.test(frame) ? Number(frame) : null,
    };
  }

  function firstMethods(board) {
    const methods = board.rows.flatMap((row, m) => (row.role === "ranked" ? [m] : []));
    return methods.length ? methods : [...board.rows.keys()].filter((m) => m !== board.truth);
  }

  function toAddress({ number, board, clip, rows, frame }) {
    const keys = rows.map((m) => encodeURIComponent(board.rows[m].key)).join(",");
    return `#board=${number}&clip=${encodeURIComponent(board.clips[clip].id)}&rows=${keys}${frame === null ? "" : `&frame=${frame}`}`;
  }

  async function loadBoard(number) {
    if (!boards.has(number)) {
      const board = await hoibench.load("b" + number);
      const data = await Promise.all(board.columns.map((column) => hoibench.loadColumn(column)));
      boards.set(number, { ...board, data, truth: board.rows.findIndex((row) => row.key === "ground_truth") });
    }
    return boards.get(number);
  }

  async function update() {
    const mine = ++turn;
    clearTimeout(writing);
    try {
      const state = await readState(), file = state.board.clips[state.clip].media;
      const media = file ? await hoibench.load(file) : null;
      if (mine !== turn) return;
      shown = state;
      page.hidden = false;
      find(".problem").hidden = true;
      showPicker(state);
      showFacts(state, media);
      showWorst(state);
      showMedia(state, media);
      hoibench.showNumbers(find("section.clip-numbers"), state);
    } catch (error) {
      page.hidden = false;
      find(".problem").textContent = error.message;
      find(".problem").hidden = false;
    }
  }

  /* Picker */
  const describeClip = (clip) => [clip.id, clip.triplet?.join(" "), clip.media ? "" : "no videos"].filter(Boolean).join(" · ");

  function showPicker({ number, board, clip, rows }) {
    const { board: boardBox, clip: clipBox, column: columnBox, order: orderBox } = form.elements;
    boardBox.value = number;
    if (columnBox.dataset.board !== number) {
      columnBox.dataset.board = number;
      const ordered = [...board.columns.entries()].filter(([n]) => board.data[n].cost);
      columnBox.replaceChildren(...ordered.map(([n, column]) => new Option(titleOf(column), n)));
      columnBox.selectedIndex = Math.max(0, ordered.findIndex(([, column]) => column.primary));
      find("fieldset.rows").replaceChildren(find("fieldset.rows legend"), ...board.rows.map(rowBox));
    }
    orderBox.options[2].disabled = rows.length < 2;
    columnBox.parentElement.hidden = orderBox.value === "id";
    const data = board.data[columnBox.value] ?? { clips: board.clips.length };
    const compared = { id: [], worst: rows.slice(0, 1), difference: rows.slice(0, 2) }[orderBox.value];
    const valueOf = (m, c) => withUnit(data.value[m * data.clips + c], board.columns[columnBox.value]);
    clipBox.replaceChildren(...orderClips(data, orderBox.value, rows).map((c) => {
      const values = compared.map((m) => valueOf(m, c)).join(" and ");
      return new Option(describeClip(board.clips[c]) + (values && " · " + values), c);
    }));
    clipBox.value = clip;
    for (const box of form.querySelectorAll("[name=row]")) {
      box.checked = rows.includes(Number(box.value));
      box.disabled = !box.checked && rows.length >= MAX_METHODS;
    }
  }

  function rowBox(row, m) {
    const box = element("input"), isTruth = row.key === "ground_truth";
    Object.assign(box, { type: "checkbox", name: "row", value: m });
    const label = element("label", row.role, box, row.name);
    label.hidden = isTruth;
    return label;
  }

  function choose(change) {
    location.hash = toAddress({ ...shown, frame: player.frame, ...change });
  }

  function step(by) {
    const clips = [...form.elements.clip.options].map((option) => Number(option.value));
    const next = clips[clips.indexOf(shown.clip) + by];
    if (next !== undefined) choose({ clip: next, frame: null });
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("change", ({ target }) => {
    if (target.name === "board") location.hash = "#board=" + target.value;
    else if (target.name === "clip") choose({ clip: Number(target.value), frame: null });
    else if (target.name === "row") {
      const rows = shown.rows.filter((m) => m !== Number(target.value)).concat(target.checked ? [Number(target.value)] : []);
      if (rows.length) choose({ rows });
      else target.checked = true; // one method stays
    } else showPicker(shown);
  });
  find("button.previous").addEventListener("click", () => step(-1));
  find("button.next").addEventListener("click", () => step(1));

  /* What stands out, and what the clip is */
  function showWorst({ board, clip, rows }) {
    const methods = rows.filter((m) => board.rows[m].role === "ranked");
    find(".worst").replaceChildren(...methods.map((m) => {
      const name = element("span", "method", board.rows[m].name), places = worstPlaces(board, m, clip);
      const failures = [...failuresOf(board, m, clip)].map(([reason, titles]) => `${reason} (${[...new Set(titles)].join(", ")})`);
      const failed = failures.map((text) => element("span", "failure", " " + text + ";"));
      if (!places.length) return element("li", "", name, ...failed, " no ranked metric is worse here than on most clips");
      const parts = places.flatMap((each, n) => [
        n ? "; " : " ",
        titleOf(each.column) + " ",
        element("strong", "", withUnit(each.value, each.column)),
        `, ${describePlace(each)} (mean ${formatNumber(each.mean, each.column.digits)})`,
      ]);
      return element("li", "", name, ...failed, ...parts);
    }));
  }

  const UNNAMED_UNITS = ["", "1", "0..1", "count"];

  function withUnit(value, { digits, unit }) {
    if (Number.isNaN(value)) return "–";
    return formatNumber(value, digits) + (UNNAMED_UNITS.includes(unit) ? "" : " " + unit);
  }

  function showFacts({ board, clip }, media) {
    const entry = board.clips[clip], relatives = board.clips.filter((each) => each.cluster === entry.cluster).length - 1;
    const facts = [
      ["clip", entry.id],
      ["action", entry.triplet?.join(", ")],
      ["prompt", media?.prompt],
      ["tags", entry.tags.join(", ")],
      ["objects", relatives ? `the same pair in ${count(relatives, "other clip")}` : "a pair that no other clip has"],
    ].filter(([, text]) => text);
    find(".facts").replaceChildren(...facts.map(([name, text]) => element("div", "", element("dt", "", name), element("dd", "", text))));
    document.title = entry.id + ": hoibench";
  }

  /* Videos and points, on one clock */
  const player = (hoibench.player = new hoibench.Player(find("section.player")));
  const scene = (hoibench.scene = new hoibench.Scene(find("section.scene"), player));
  // The address follows when the clock rests: browsers refuse to change it many times a second.
  player.onFrame((frame) => {
    clearTimeout(writing);
    if (shown && !player.playing) writing = setTimeout(() => history.replaceState(null, "", toAddress({ ...shown, frame })), 250);
  });

  function showMedia({ board, rows, frame }, media) {
    find("section.player").hidden = !media;
    if (!media) return;
    const all = [...(board.truth < 0 ? [] : [board.truth]), ...rows].map((m) => board.rows[m]);
    player.pause();
    player.show(media, all);
    player.seek(frame ?? Math.floor(media.frames / 2)); // the first frame is that of the truth
    scene.show(media, all);
  }

  addEventListener("hashchange", update);
  if (form.elements.board.options.length) update();
})();
