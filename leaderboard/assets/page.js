"use strict";
// Shared by all pages: the colour scheme button, and data files that are loaded on demand.  Other scripts add their names to ``hoibench``.
window.hoibench = (function () {
  const root = document.documentElement;

  /* Colour scheme: the system's until the button is pressed, then the chosen one. */
  function setUpTheme() {
    const button = document.querySelector("button.theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const stored = readSetting("hoibench-theme");
    if (stored === "dark" || stored === "light") root.dataset.theme = stored;
    const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
    const updateLabel = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.setAttribute("aria-label", "Switch to " + (isDark() ? "light" : "dark") + " colours");
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      writeSetting("hoibench-theme", root.dataset.theme);
      updateLabel();
    });
    system.addEventListener("change", updateLabel);
    updateLabel();
    button.hidden = false;
  }

  // Storage may be forbidden for a page opened from a file; the choice is then lost on reload.
  function readSetting(key) {
    try { return localStorage.getItem(key); } catch { return null; }
  }
  function writeSetting(key, value) {
    try { localStorage.setItem(key, value); } catch { /* lost on reload */ }
  }

  /* Data files: data/NAME.js calls hoibench.receive(NAME, value).  A script, since a page opened from a file may not fetch. */
  const loading = new Map(), received = new Map();

  function receive(name, value) {
    received.set(name, value);
  }

  function load(name) {
    if (!/^[\w-]+$/.test(name)) return Promise.reject(new Error(name + " is not the name of a data file"));
    if (!loading.has(name)) loading.set(name, inject(name));
    return loading.get(name);
  }

  function inject(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const fail = () => {
        loading.delete(name);
        reject(new Error("data/" + name + ".js cannot be read: keep the folder data beside this page"));
      };
      script.addEventListener("load", () => (received.has(name) ? resolve(received.get(name)) : fail()));
      script.addEventListener("error", fail);
      script.src = "data/" + name + ".js";
      document.head.append(script);
    });
  }

  /** Return the numbers of a base64 text as a typed array: decode("AAA=", Uint8Array). */
  function decode(text, Type) {
    const binary = atob(text), bytes = new Uint8Array(binary.length);
    for (let n = 0; n < bytes.length; n++) bytes[n] = binary.charCodeAt(n);
    return new Type(bytes.buffer);
  }

  /** Return a new element with a class and children, which are elements or texts; a text never becomes HTML. */
  function element(tag, className, ...children) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  }

  /** Return a new SVG element with attributes and a text. */
  function svgElement(tag, attributes, text = "") {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    made.textContent = text;
    return made;
  }

  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

  setUpTheme();
  return { receive, load, decode, element, svgElement, count };
})();
