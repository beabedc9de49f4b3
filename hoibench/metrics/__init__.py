"""Metrics: one module per metric, with a function on plain arrays and one ``measure_*`` function per card.

The path from a column of the page to its formula: the card in ``cards/*.toml`` names the ``measure_*`` function as its ``entry``; the docstring of
that function's module gives formula, pairing, alignment and the points that count.
"""
