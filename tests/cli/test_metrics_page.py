"""docs/metrics.md is what ``hoibench ls metrics --page`` prints, and has every built-in metric."""

import re
from pathlib import Path

from hoibench.cli.main import main
from hoibench.cli.metrics_page import built_in_page
from hoibench.metric_card import all_cards

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"


def test_the_page_is_current():
    text = PAGE.read_text(encoding="utf-8")
    assert text == built_in_page(), "run `hoibench ls metrics --page > docs/metrics.md`"


def test_the_page_has_each_metric_once_in_its_tables(capsys):
    assert main(["ls", "metrics", "--page"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for card in all_cards().values():
        id = card.id.replace("_", r"\_")
        assert sum(line.startswith(f"| {id} | ") and len(line.split(" | ")) == 5 for line in lines) == 1
        assert {f"### {card.id}", f"### {re.sub('/.*@', '@', card.id)}"} & set(lines)


def test_the_page_is_of_metrics_only(capsys):
    assert main(["ls", "methods", "--page"]) == 2
    assert "hoibench ls metrics --page" in capsys.readouterr().err
