"""Metric cards in words, for the leaderboard page and docs/metrics.md."""

from __future__ import annotations

from hoibench.metric_card import Card, Companion
from hoibench.metrics.self_test_record import describe_rewards, describe_self_test
from hoibench.weights.registry import all_weights

DIRECTIONS = {
    "lower": "lower is better",
    "higher": "higher is better",
    "ratio": "ranked by how far its ratio to the truth is from 1",
    "truth_distance": "ranked by how far its value is from the truth's",
    "none": "not ranked",
}
_CAPS = {"scene_size": "the scene's size D", "diagonal": "10 % of the image diagonal"}


def describe_direction(card: Card) -> str:
    """Return which values of a metric are better, e.g. ``lower is better; secondary, never ranked``."""
    is_secondary = not card.ranked and card.direction != "none"
    return DIRECTIONS[card.direction] + ("; secondary, never ranked" if is_secondary else "")


def describe_card(card: Card) -> dict[str, str]:
    """Return the facts of a card in words, by name: unit, bounds, ..., and its texts but title and formula; facts without text are left out."""
    low, high = ("unbounded" if end is None else f"{end:g}" for end in card.bounds)
    cap = "" if card.cap is None else _CAPS.get(card.cap, "") if isinstance(card.cap, str) else f"{card.cap:g}"
    facts = {
        "unit": card.unit,
        "bounds": "unbounded" if low == high == "unbounded" else f"{low} to {high}",
        "regions": ", ".join(card.regions),
        "needs": ", ".join(card.needs),
        "weights": ", ".join(_describe_weights(id) for id in card.weights) or "none",
        "sets": ", ".join(card.all_sets),
        "without an answer": cap,
        "companions": "; ".join(describe_companion(rule) for rule in card.companions),
        "source": card.source,
        "implementation": card.implementation,
        "deviations": card.deviations,
        "known failure": f"{card.failure.strip()} {describe_rewards(card.id)}",
        "self-test": describe_self_test(card.id),
    }
    return {name: text.strip() for name, text in facts.items() if text.strip()}


def _describe_weights(id: str) -> str:
    """Return the id of a weight file with the start of its registered SHA-256, if there is one."""
    registered = all_weights().get(id)
    return f"{id} (sha256 {registered.sha256[:16]})" if registered and registered.sha256 else id


def describe_companion(rule: Companion) -> str:
    """Return a companion's rule in words, e.g. ``METRIC at least 0.5 (a still one is smooth, too)``."""
    low, high = rule.ratio_to_truth or (None, None)
    conditions = (
        None if rule.at_least is None else f"at least {rule.at_least:g}",
        None if rule.at_most is None else f"at most {rule.at_most:g}",
        None if low is None else f"at least {low:g} times the truth's",
        None if high is None else f"at most {high:g} times the truth's",
        None if rule.not_worse_than is None else f"not worse than {rule.not_worse_than}",
        "shown beside it, else withheld" if rule.required else None,
    )
    region = f" ({rule.region})" if rule.region else ""
    return f"{rule.metric}{region} {', '.join(text for text in conditions if text)} ({rule.why})"
