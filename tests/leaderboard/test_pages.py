"""Every page of the site in a real browser, opened as a file and over http: light and dark, wide and narrow, by keyboard and without scripts."""

import pytest
from page_checks import PAGES, brightness, overflow, unreachable, weak_contrasts

pytestmark = pytest.mark.browser


@pytest.fixture(params=PAGES)
def file(request):
    return request.param


def test_a_page_is_legible_in_light_and_dark_and_as_wide_as_a_narrow_screen(visit, site_with_files, file, screenshot):
    page = visit((site_with_files.parent / file).as_uri())
    page.locator(PAGES[file]).first.wait_for()
    assert page.locator("h1").count() == 1 and page.locator("nav a[aria-current]").get_attribute("href") == file
    assert page.locator("header nav a").evaluate_all("links => links.map(a => a.getAttribute('href'))") == list(PAGES)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        assert (brightness(page) < 60) == (scheme == "dark")
        assert weak_contrasts(page) == []
        screenshot(page, f"{file}-{scheme}")
    page.set_viewport_size({"width": 390, "height": 800})
    assert overflow(page) <= 0
    screenshot(page, f"{file}-narrow")


@pytest.mark.parametrize("file", ["clip.html", "paper.html", "runs.html"])
def test_the_keyboard_reaches_everything_on_a_page(visit, site_with_files, file):
    page = visit((site_with_files.parent / file).as_uri())
    page.locator(PAGES[file]).first.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.reload()
    page.locator(PAGES[file]).first.wait_for()
    assert unreachable(page) == []


def test_pages_work_over_http(visit, served_with_files, file):
    page = visit(served_with_files.replace("index.html", file))
    page.locator(PAGES[file]).first.wait_for()


def test_without_scripts_a_page_is_complete_or_says_what_it_needs(visit, site_with_files, file):
    page = visit((site_with_files.parent / file).as_uri(), java_script_enabled=False)
    needed = "noscript" if file == "clip.html" else PAGES[file]
    assert page.locator(needed).first.is_visible()
    assert page.locator("button.theme:visible").count() == 0
