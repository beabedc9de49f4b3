"""Metrics: one module per metric, with a function on plain arrays and one ``measure_*`` function per card.

To find the formula of a column of the leaderboard page: the metric's card (its description in ``cards/*.toml``) names the ``measure_*`` function as
its ``entry``; the docstring of that function's module gives formula, pairing, alignment and the points that count.
"""
