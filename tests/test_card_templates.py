"""Templates of metric cards."""

import pytest

from hoibench.card_templates import fill_templates

TEMPLATE = {
    "id": "a/$variant@1",
    "variants": ["x", "y"],
    "title": "A, $title",
    "sets": "$sets",
    "companions": [{"metric": "b/$variant"}],
}


def test_a_template_gives_one_card_for_each_variant():
    table = {
        "card": [{"id": "c@1"}, TEMPLATE],
        "variant": {"x": {"title": "X", "sets": []}, "y": {"title": "Y", "sets": ["offline"]}},
    }
    assert list(fill_templates(table, "a.toml")) == [
        {"id": "c@1"},
        {"id": "a/x@1", "title": "A, X", "sets": [], "companions": [{"metric": "b/x"}]},
        {"id": "a/y@1", "title": "A, Y", "sets": ["offline"], "companions": [{"metric": "b/y"}]},
    ]
    with pytest.raises(
        ValueError, match=r"a\.toml: card a/\$variant@1, variant y: 'title'; add the key to \[variant\.y\]"
    ):
        list(fill_templates({"card": [TEMPLATE], "variant": {"x": {"title": "X", "sets": []}}}, "a.toml"))
