"use strict";
// The strip of videos of the first page: links to sheets, which become panels that play by themselves while they are in sight.
(function () {
  function setUpStrip(strip) {
    const player = new hoibench.Player(strip, { frames: Number(strip.dataset.frames), fps: Number(strip.dataset.fps) });
    for (const link of strip.querySelectorAll("a[data-sheet]")) {
      const { label, tile, grid, frames } = link.dataset;
      const source = { label, sheet: link.getAttribute("href"), tile: tile.split(" ").map(Number), grid: Number(grid), frames: Number(frames) };
      link.replaceWith(player.add(source));
    }
    player.controls.play.hidden = false;
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    let wanted = true;
    player.controls.play.addEventListener("click", () => { wanted = player.playing; });
    new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) player.pause();
      else if (wanted) player.play();
    }).observe(strip);
  }

  // Sheets are loaded after the page is drawn, and only those of a strip that is nearly in sight.
  const whenIdle = window.requestIdleCallback || ((act) => setTimeout(act, 200));
  for (const strip of document.querySelectorAll(".strip")) {
    new IntersectionObserver(([entry], observer) => {
      if (!entry.isIntersecting) return;
      observer.disconnect();
      whenIdle(() => setUpStrip(strip));
    }, { rootMargin: "400px" }).observe(strip);
  }
})();
