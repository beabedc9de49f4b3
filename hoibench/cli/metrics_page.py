"""docs/metrics.md, written from the metric cards and the recorded self-test; ``hoibench ls metrics --page`` prints it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from hoibench.metric_card import GROUPS, Card, all_cards
from hoibench.metrics.card_text import describe_card, describe_direction
from hoibench.metrics.self_test_record import list_self_test, read_self_test
from hoibench.plugins import is_built_in
from hoibench.results.table_text import escape_markdown, markdown_table

_HEAD = """\
# Metrics

This page is written by `hoibench ls metrics --page` from the metric cards in `hoibench/metrics/cards/` and from the recorded self-test; a test \
compares them. [scoring.md](scoring.md) says how metrics are computed from Python, and what decides how methods are ranked.

An id is NAME@VERSION or NAME/VARIANT@VERSION: variants differ in a network or an algorithm, and their values must not be compared. In the formulas, \
P is the prediction and X the truth, v a view, n a frame, and s the scale that the method's declaration allows to be fitted. A companion is a rule \
on another metric: a cell of a method that breaks it is greyed and not ranked. *Without an answer* is the score of a prediction that has no answer \
on a clip. The region fg is the foreground: hands and objects. The set headline has the ranked metrics and their companions."""

_SELF_TEST = """\
## Self-test

Each metric was computed on the true videos and tracks of {clips} clips of {truth} ({split}), and on known corruptions of them. By its cost, the \
quantity by which methods are ranked, it *rewards* a corruption that costs less than the truth, is *blind to* one that costs the same, and *sees* \
one that costs more; a metric that is never ranked sees a corruption that changes its value. In parentheses: a companion's rule breaks, so that the \
value is shown and not ranked. `hoibench ls metrics --self-test` prints the table; `python -m hoibench.evaluation.self_test` measures it again."""


def built_in_page() -> str:
    """Return docs/metrics.md: tables of the built-in metrics, a section for each, and their self-test."""
    cards = [card for card in all_cards().values() if is_built_in(card.entry)]
    parts = [_HEAD]
    for id, group in GROUPS.items():
        if members := [card for card in cards if card.group == id]:
            sections = dict.fromkeys(_section(card) for card in members)
            parts += [f"## {group.title}", markdown_table(_row(card) for card in members)]
            parts += [_describe([card for card in members if _section(card) == name], name) for name in sections]
    record = read_self_test()
    parts += [
        _SELF_TEST.format(clips=len(record.clips), truth=record.truth, split=record.split),
        markdown_table({"corruption": name, "what it changes": text} for name, text in record.corruptions.items()),
        markdown_table(list_self_test(card.id for card in cards)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(card: Card) -> str:
    """Return a metric's id without its variant."""
    return re.sub(r"/[^@]*", "", card.id)


def _row(card: Card) -> dict[str, str]:
    return {
        "metric": card.id,
        "title": card.title,
        "unit": card.unit,
        "better": describe_direction(card),
        "sets": ", ".join(card.all_sets) + (", primary" if card.primary else ""),
    }


def _describe(variants: Sequence[Card], name: str) -> str:
    """Return the section of a metric; what its variants differ in has a line for each of them."""
    facts = [
        {"formula": card.formula.strip(), "better": describe_direction(card), **describe_card(card)}
        for card in variants
    ]
    lines = [f"### {name if len(variants) > 1 else variants[0].id}"]
    for fact in dict.fromkeys(fact for one in facts for fact in one):
        texts = [one.get(fact, "none") for one in facts]
        alike = {text.replace(f"/{_variant(card)}", "/VARIANT") for card, text in zip(variants, texts, strict=True)}
        if len(set(texts)) == 1 or len(alike) == 1:
            lines.append(f"- **{fact}**: {escape_markdown(texts[0] if len(set(texts)) == 1 else alike.pop())}")
        else:
            lines.append(f"- **{fact}**:")
            lines += [
                f"  - {_variant(card)}: {escape_markdown(text)}" for card, text in zip(variants, texts, strict=True)
            ]
    return f"{lines[0]}\n\n" + "\n".join(lines[1:])


def _variant(card: Card) -> str:
    return card.id.partition("/")[2].rpartition("@")[0]
