"""Checks of a page in a browser: contrast of its text, brightness, width, and what the keyboard reaches."""

import re

PAGES = {
    "index.html": "section.board td .value",
    "clip.html": ".clip-numbers td .value",
    "paper.html": ".paper-table td",
    "metrics.html": ".self-test td .number",
    "runs.html": ".provenance dd",
}
"""Each page with something that it shows once it is ready."""

CONTRAST = """() => {
  const channels = (c) => c.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = channels(c).slice(0, 3).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                         return .2126 * r + .7152 * g + .0722 * b; };
  const ground = (e) => { const c = getComputedStyle(e).backgroundColor; return (channels(c)[3] ?? 1) > 0 ? c : ground(e.parentElement); };
  const weak = new Set();
  for (const e of document.querySelectorAll('body *')) {
    if (e.closest('svg') || e.disabled || !e.checkVisibility() || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const a = light(getComputedStyle(e).color), b = light(ground(e));
    const least = /[\\p{L}\\p{N}]/u.test(e.textContent) ? 4.5 : 3;
    if ((Math.max(a, b) + .05) / (Math.min(a, b) + .05) < least) weak.add(`${e.tagName}.${e.className}: ${e.textContent.trim().slice(0, 20)}`);
  }
  return [...weak];
}"""

FOCUSABLE = """() => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex="0"]')]
  .filter(e => !e.disabled && e.checkVisibility() && !(e.type === 'radio' && !e.checked)).map((e, n) => { e.dataset.stop = n; return n; })"""


def weak_contrasts(page):
    """The visible texts of a page with a contrast below 4.5 to 1, signs without letters below 3 to 1 (WCAG AA)."""
    return page.evaluate(CONTRAST)


def brightness(page):
    """The mean of red, green and blue of the page's background, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3


def overflow(page):
    """The pixels by which a page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth - innerWidth")


def unreachable(page):
    """The visible controls and links of a page that the Tab key does not reach, or that show no outline when it does."""
    stops = set(page.evaluate(FOCUSABLE))
    for _ in range(len(stops) + 3):
        page.keyboard.press("Tab")
        found = page.evaluate(
            "(e => e.dataset.stop && getComputedStyle(e).outlineStyle !== 'none' ? Number(e.dataset.stop) : null)(document.activeElement)"
        )
        stops.discard(found)
    return [page.locator(f'[data-stop="{n}"]').evaluate("e => e.outerHTML.slice(0, 90)") for n in sorted(stops)]
