"""Cards of data sets: each is complete, and no two share a name."""

import pytest

from hoibench.datasets import registry

CARD = {"name": "x", "kind": "measured", "title": "X", "entry": "a.b:C"}


@pytest.fixture
def register(monkeypatch):
    """Make some tables the only cards."""
    registry.all_datasets.cache_clear()
    yield lambda *tables: monkeypatch.setattr(
        registry, "read_specs", lambda group: [("cards/x.toml", t, None) for t in tables]
    )
    registry.all_datasets.cache_clear()


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({k: v for k, v in CARD.items() if k != "entry"}, "the key 'entry' is missing"),
        (CARD | {"kind": "real"}, "kind is 'real': input should be 'measured' or 'synthetic'"),
        (CARD | {"titel": "X"}, "unknown key 'titel': did you mean 'title'?"),
        (CARD | {"name": 3}, "name is 3: "),
    ],
)
def test_an_invalid_card_is_refused(register, card, message):
    register(card)
    with pytest.raises(ValueError) as caught:
        registry.all_datasets()
    assert str(caught.value).startswith(f"cards/x.toml: {message}")


def test_two_cards_of_one_name_are_refused(register):
    register(CARD, CARD)
    with pytest.raises(ValueError, match=r"cards/x\.toml: the data set 'x' is already registered; choose another name"):
        registry.all_datasets()


def test_an_entry_point_that_is_not_a_data_set_is_refused(register):
    register(CARD | {"entry": "pathlib:Path"})
    with pytest.raises(ValueError, match=r"pathlib:Path is not a subclass of hoibench\.datasets\.base\.Dataset"):
        registry.open_dataset("x", None)
