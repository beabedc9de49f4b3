"""Strings, links and numbers of the page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.results.cell_text import choose_decimals, format_number
from leaderboard.text import sanitize, web_link


@given(st.text(), st.integers(1, 50))
def test_sanitized_text_is_short_printable_and_stable(text, limit):
    shown = sanitize(text, limit)
    assert len(shown) <= limit and sanitize(shown, limit) == shown
    shown.encode()  # fails for a lone surrogate
    assert all(c.isprintable() or c == "\u00a0" or c.isspace() for c in shown)


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (0.0, 3, "0"),
        (0.95623, 4, "0.9562"),
        (-1.25, 1, "−1.2"),
        (3e-7, 2, "<0.01"),
        (-0.4, 0, ">−1"),
        (529.44, 1, "529.4"),
    ],
)
def test_numbers_by_hand(value, decimals, shown):
    assert format_number(value, decimals) == shown


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_only_zero_is_shown_as_zero(value, decimals):
    shown = format_number(value, decimals)
    number = float(shown.lstrip("<>").replace("−", "-"))
    assert (number == 0) == (value == 0)
    if shown[0] in "<>":
        assert 0 < value / number <= 0.51
    else:
        assert abs(number - value) <= 0.51 * 10**-decimals


@pytest.mark.parametrize(
    ("values", "decimals"),
    [
        ([0.9562, 0.4521], 3),
        ([529.4, 33.8, 137.5], 0),
        ([33.8, 12.5], 1),
        ([0.0134, 0.0103], 4),
        ([12000.0], 0),
        ([], 0),
        ([0.0], 0),
        ([1e-12], 6),
    ],
)
def test_decimals_show_three_digits_of_the_typical_value(values, decimals):
    assert choose_decimals(values) == decimals


@pytest.mark.parametrize("url", ["https://arxiv.org/abs/2511.19319", "http://example.org/?a=1&b=2"])
def test_web_addresses_become_links(url):
    assert web_link(url) == url


SCHEMES = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "java\nscript:x",
    "data:text/html,x",
    "ftp://a.b",
    "//evil.example",
]
MALFORMED = [
    " https://a.b",
    "https://a.b/ c",
    "https:",
    "https://[",
    "http://\u0430.b",
    None,
    "",
    "https://a.b/" + "x" * 300,
]


@pytest.mark.parametrize("url", [*SCHEMES, *MALFORMED])
def test_other_addresses_do_not_become_links(url):
    assert web_link(url) is None
