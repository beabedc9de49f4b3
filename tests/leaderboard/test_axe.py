"""Accessibility of the site's pages by the rules of axe-core: no serious or critical violation."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from page_checks import PAGES

pytestmark = pytest.mark.browser


def serious_violations(page, **options):
    """The serious and critical violations of a page: (rule, the first element) of each."""
    found = (
        Axe().run(page, options={"preload": False} | options).response["violations"]
    )  # the policy forbids it to fetch
    return [
        (violation["id"], violation["nodes"][0]["html"][:200])
        for violation in found
        if violation["impact"] in ("serious", "critical")
    ]


def open_page(visit, site, file, **options):
    page = visit((site.parent / file).as_uri(), **options)
    page.locator(PAGES[file]).first.wait_for()
    return page


@pytest.mark.parametrize("file", ["index.html", "clip.html"])
def test_the_first_pages_have_no_serious_violation(visit, site_with_files, file):
    """Contrast is measured by test_pages, much faster."""
    page = open_page(visit, site_with_files, file)
    assert serious_violations(page, rules={"color-contrast": {"enabled": False}}) == []


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("file", PAGES)
def test_no_page_has_a_serious_violation(visit, site_with_files, file, scheme):
    page = open_page(visit, site_with_files, file, color_scheme=scheme)
    assert serious_violations(page) == []
