"""The page in a real browser, opened as a file and over http."""

import re
from itertools import pairwise

import fake_runs
import pytest
from page_checks import brightness, overflow, weak_contrasts

pytestmark = pytest.mark.browser

SEEN = "section.board:has(h2:text('test_seen'))"
TABLE = f"{SEEN} div.table[data-region='full']"
OURS = f"{TABLE} tbody.ranked tr.row:has(.label:has-text('SyncMV4D'))"


@pytest.fixture(params=["file", "http"])
def url(request, site):
    return site.as_uri() if request.param == "file" else request.getfixturevalue("served")


def sort_by(page, title):
    page.locator(f"{TABLE} tr.metrics").get_by_role("button", name=title, exact=True).click()


def column_of(page, title):
    heads = page.locator(f"{TABLE} tr.metrics .title").all_inner_texts()
    return heads.index(title) + 1


def orders(page, title):
    """The sort keys of a column, one list for each sortable body, None without a value."""
    place = column_of(page, title)
    script = (
        "(bodies, n) => bodies.map(b => [...b.querySelectorAll('tr.row')].map(r => r.cells[n].dataset.order ?? null))"
    )
    found = page.locator(f"{TABLE} tbody[data-sortable]").evaluate_all(script, place)
    return [[None if key is None else float(key) for key in body] for body in found]


def is_sorted_with_missing_last(keys, reverse):
    numbers = [key for key in keys if key is not None]
    return keys == sorted(numbers, reverse=reverse) + [None] * (len(keys) - len(numbers))


def test_style_and_script_are_active_and_the_console_is_empty(visit, url, screenshot):
    page = visit(url)
    assert page.locator("section.board").count() == 3
    assert page.locator("button.theme").is_visible()  # the script ran
    assert (
        page.locator(f"{TABLE} tbody.ceiling td .value").first.evaluate("e => getComputedStyle(e).fontWeight") == "400"
    )  # the style applies: a reference row
    screenshot(page, "light")


def test_sorting_puts_the_best_first_then_the_worst_and_missing_last_both_ways(visit, site):
    page = visit(site.as_uri())
    title = fake_runs.CARDS["matching_pixels_dyn/sift-mnn@1"].title
    before = orders(page, title)
    assert any(None in body and len(body) > 1 for body in before)
    for reverse in (False, True):
        sort_by(page, title)
        assert all(is_sorted_with_missing_last(body, reverse) for body in orders(page, title))
    sort_by(page, title)
    assert orders(page, title) == before


def test_sorting_keeps_reference_rows_in_place_and_sets_aria_sort(visit, site):
    page = visit(site.as_uri())
    names = f"{TABLE} tbody.ceiling .label, {TABLE} tbody.floor .label"
    before = page.locator(names).all_inner_texts()
    sort_by(page, "Mat. Pix. (SIFT)")
    assert page.locator(names).all_inner_texts() == before
    sort_by(page, "RPE")
    sort_by(page, "RPE")  # worst first: differs from the page order in every body
    assert page.locator(names).all_inner_texts() == before
    sort_by(page, "Mat. Pix. (SIFT)")
    head = page.locator(f"{TABLE} tr.metrics th", has_text="Mat. Pix. (SIFT)")
    assert head.get_attribute("aria-sort") == "descending"  # higher is better, and the best is first
    sort_by(page, "RPE")
    assert page.locator(f"{TABLE} th[aria-sort=ascending]").count() == 1 and head.get_attribute("aria-sort") == "none"
    assert page.locator(names).all_inner_texts() == before


def test_the_region_filter_shows_one_region_at_a_time(visit, site):
    page = visit(site.as_uri())
    assert page.locator(f"{SEEN} div.table:visible").count() == 1
    full = page.locator(f"{SEEN} div.table:visible td .value").first.inner_text()
    page.locator(SEEN).get_by_role("radio", name="foreground").check()
    assert page.locator(f"{SEEN} div.table:visible").get_attribute("data-region") == "fg"
    assert page.locator(f"{SEEN} div.table:visible td .value").first.inner_text() != full


def test_the_column_filter_hides_groups_and_secondary_metrics(visit, site):
    page = visit(site.as_uri())
    shown = lambda: page.locator(f"{TABLE} tr.metrics th:visible .title").all_inner_texts()  # noqa: E731  (read twice below)
    widths = lambda: page.locator(f"{TABLE} tr.groups th:visible").evaluate_all("heads => heads.map(h => h.colSpan)")  # noqa: E731
    assert "PSNR" not in shown() and "RPE" in shown()
    assert sum(widths()) == len(shown())
    page.locator(SEEN).get_by_label("secondary metrics").check()
    assert "PSNR" in shown()
    page.locator(SEEN).get_by_label("Motion, single view").uncheck()
    assert "RPE" not in shown() and "MV RPE (scene)" in shown()
    assert sum(widths()) == len(shown())


def test_everything_can_be_reached_and_used_with_the_keyboard(visit, site):
    page = visit(site.as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    button = page.locator(f"{TABLE} tr.metrics").get_by_role("button", name="RPE", exact=True)
    for _ in range(200):
        page.keyboard.press("Tab")
        if button.evaluate("e => e === document.activeElement"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    page.keyboard.press("Enter")
    assert all(is_sorted_with_missing_last(body, False) for body in orders(page, "RPE"))
    region = page.locator(SEEN).get_by_role("radio", name="full frame")
    region.focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(f"{SEEN} div.table:visible").get_attribute("data-region") == "fg"


def test_dark_mode_follows_the_system_until_the_button_is_pressed(visit, site, screenshot):
    page = visit(site.as_uri(), color_scheme="dark")
    assert brightness(page) < 60
    screenshot(page, "dark")
    page.locator("button.theme").click()
    assert brightness(page) > 200 and page.locator("button.theme").inner_text() == "Dark"
    page.reload()
    assert brightness(page) > 200
    assert brightness(visit(site.as_uri(), color_scheme="light")) > 200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_enough_contrast(visit, site, scheme):
    """WCAG AA: a contrast of at least 4.5 to 1 for all visible text."""
    assert weak_contrasts(visit(site.as_uri(), color_scheme=scheme)) == []


def test_without_scripts_the_table_is_complete(visit, site):
    page = visit(site.as_uri(), java_script_enabled=False)
    assert page.locator(f"{SEEN} div.table:visible").count() == 2  # both regions
    assert page.locator(f"{TABLE} tr.metrics th:visible").count() == 12
    assert page.locator("form.controls:visible, button.theme:visible").count() == 0
    row = page.locator(OURS).inner_text()
    assert re.search(r"5\.\d+ ●", row) and "24/24" in row


def test_a_narrow_screen_has_one_card_a_method(visit, site, screenshot):
    page = visit(site.as_uri(), viewport={"width": 390, "height": 800})
    assert overflow(page) <= 0
    heading = page.locator("section.failures thead th", has_text="method")
    assert heading.evaluate("e => e.clientWidth > e.textContent.length * 6"), "words are whole"
    cells = page.locator(OURS).locator("td:visible")
    boxes = [cell.bounding_box() for cell in cells.all()]
    assert len(boxes) > 5 and all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert all(above["y"] + above["height"] <= below["y"] + 1 for above, below in pairwise(boxes))
    assert cells.first.evaluate("e => getComputedStyle(e, '::before').content") == '"Dyn. Deg. (DIS)"'
    screenshot(page, "narrow")


def test_a_number_opens_its_drawer_with_the_commands_without_scripts(visit, site):
    page = visit(site.as_uri(), java_script_enabled=False)
    drawers = page.locator(".drawer:visible")
    assert drawers.count() == 0
    page.locator(OURS).locator("td .value").first.click()
    assert drawers.count() == 1
    text = drawers.inner_text()
    assert "hoibench show seen --method syncmv4d" in text and "python -m hoibench.run --method syncmv4d" in text
    page.keyboard.press("Escape")
    assert drawers.count() == 0


def test_the_policy_stops_inline_scripts_styles_and_other_origins(visit, site):
    page = visit(site.as_uri())
    page.evaluate("""() => {
      const add = (tag, fill) => { const e = document.createElement(tag); fill(e); document.body.append(e); };
      add('script', e => { e.textContent = 'window.ran = true'; });
      add('img', e => { e.src = 'http://127.0.0.1:9/pixel'; });
      add('div', e => { e.setAttribute('style', 'color: red'); });
      add('div', e => { e.innerHTML = '<p onclick="window.ran = true" id="trap">x</p>'; });
      document.getElementById('trap').click();
    }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    blocked = [
        text for text in page.messages if "Content Security Policy" in text or "content security policy" in text.lower()
    ]
    assert len(blocked) >= 4
    page.messages.clear()
