"""The costs of a configuration as tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Group
from rich.table import Table

from reference_model.config import PRESETS, SyncMV4DConfig
from reference_model.cost import Cost, Flops, Memory, Parameters, Steps, Tokens

COUNTED = "counted, not measured"
COMPUTED = "computed, not measured"
IN_FULL = "The autoencoder runs in float32, and so does DPA when sampling: they take longer than these seconds, which are bf16's."


def as_json(name: str, config: SyncMV4DConfig, cost: Cost, *, gpus: int, tflops: float) -> dict[str, Any]:
    """The costs of the preset of a name, in operations, seconds and bytes."""
    operations = {**asdict(cost.flops), "guided_step": cost.flops.guided_step, **asdict(cost.steps)}
    return {
        "preset": name,
        "views": config.mjd.views,
        "frames": config.frames,
        "size": [config.height, config.width],
        "latents": config.latent_grid(config.frames, config.height, config.width),
        "parameters": {"total": cost.parameters.total, **asdict(cost.parameters)},
        "tokens": {"total": cost.tokens.total, **asdict(cost.tokens)},
        "flops": {"basis": COUNTED, **asdict(cost.flops), "guided_step": cost.flops.guided_step},
        "steps": {"basis": COUNTED, **asdict(cost.steps)},
        "seconds": {
            "basis": f"{COUNTED}, at an assumed {tflops:g} TFLOP/s",
            "note": IN_FULL,
            **{what: count / tflops / 1e12 for what, count in operations.items()},
        },
        "memory": {"basis": COMPUTED, "gpus": gpus, **asdict(cost.memory)},
    }


def as_tables(name: str, config: SyncMV4DConfig, cost: Cost, *, gpus: int, tflops: float) -> Group:
    """The same for people, in TFLOP, seconds and GB."""
    n, h, w = config.latent_grid(config.frames, config.height, config.width)
    title = (
        f"{name}: V = {config.mjd.views} views of {config.frames} frames of {config.height} x {config.width} pixels,\n"
        f"latents {config.mjd.in_channels} x {n} x {h} x {w}; presets are {' and '.join(PRESETS)}"
    )
    return Group(
        title,
        _parameters(cost.parameters),
        _tokens(cost.tokens),
        _flops(cost.flops, config.mjd.views, tflops),
        _steps(cost.steps, config, tflops),
        _memory(cost.memory, gpus),
    )


def _parameters(parameters: Parameters) -> Table:
    new = sum(parameters.new.values())
    rows = [
        ("MJD in all", parameters.total),
        ("Wan2.2's own", parameters.wan),
        ("new", new),
        *((f"  {group}", count) for group, count in parameters.new.items()),
        ("points aligner, DPA", parameters.dpa),
        ("video autoencoder, frozen", parameters.vae),
    ]
    return _table("parameters", ("", ""), [(name, _billions(count), f"{count:,}") for name, count in rows])


def _tokens(tokens: Tokens) -> Table:
    parts = {name: getattr(tokens, name) for name in ("video", "motion", "scale", "register", "text")}
    groups, length = tokens.inter_view
    rows = [
        *parts.items(),
        ("in all", tokens.total),
        ("intra-view attention: a view's sequence, without text", tokens.intra_view),
        ("inter-view attention: groups x tokens", f"{groups} x {length}"),
        (
            "  scale and register tokens of all views",
            f"1 x {tokens.specials_meet}" if tokens.specials_meet else "apart",
        ),
    ]
    return _table("tokens of a view", ("",), [(name, str(count)) for name, count in rows])


def _flops(flops: Flops, views: int, tflops: float) -> Table:
    rows = [
        ("forward of MJD, one sample", flops.forward),
        ("sampler's step with text guidance: two forwards", flops.guided_step),
        ("training step: forward, recomputation, backward", flops.training_step),
        ("autoencoder: encode one view", flops.encode),
        ("autoencoder: decode one view", flops.decode),
        ("autoencoder: backward of decoding one view", flops.decode_backward),
        (f"autoencoder: encode motion of {views} views", views * flops.encode),
        (f"autoencoder: decode motion of {views} views", views * flops.decode),
        (f"autoencoder: decode video and motion of {views} views", 2 * views * flops.decode),
        ("DPA: forward, one sample", flops.align),
        ("  of which sparse convolutions take at most", flops.sparse_convolution),
        ("DPA: training step", flops.alignment_step),
    ]
    return _timed("operations of the parts", rows, tflops)


def _steps(steps: Steps, config: SyncMV4DConfig, tflops: float) -> Table:
    cycle = config.cycle
    rows = [
        ("sampler's step: MJD twice, decode, DPA, encode", steps.sampling),
        (f"training step, gradient {cycle.gradient}: MJD, decode, DPA", steps.joint),
        ("  guidance, x0: MJD, decode, DPA, encode", steps.guidance_x0),
        ("  guidance, literal: decode, DPA, encode", steps.guidance_literal),
        (f"  mean: {cycle.reading}, {cycle.guided_share:.0%} with guidance", steps.training),
    ]
    table = _timed("operations of whole steps, one sample", rows, tflops)
    table.caption, table.caption_justify = IN_FULL, "left"
    return table


def _timed(title: str, rows: Iterable[tuple[str, int]], tflops: float) -> Table:
    """Operations, and the seconds that they take."""
    heads = (_stacked(f"TFLOP, {COUNTED}"), f"at an assumed\n{tflops:g} TFLOP/s\nin bf16")
    told = [(name, _significant(count / 1e12), f"{count / tflops / 1e12:.3g} s") for name, count in rows]
    return _table(title, heads, told)


def _memory(memory: Memory, gpus: int) -> Table:
    rows = [
        ("MJD's weights, bf16", memory.weights_bf16),
        ("MJD's weights, float32", memory.weights_fp32),
        ("autoencoder's weights, float32", memory.vae),
        ("latents of video and motion, one sample, float32", memory.latents),
        ("most activations of MJD's forward, one sample, bf16: an estimate", memory.forward_peak),
        ("activations kept by MJD's gradient checkpointing, one sample, bf16", memory.block_boundaries),
        (f"MJD's training state under ZeRO-3, each of {gpus} GPUs", memory.training_state),
    ]
    return _table("memory", (_stacked(f"GB, {COMPUTED}"),), [(name, _significant(count / 1e9)) for name, count in rows])


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table as wide as there is room, in which names fold and numbers do not."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=True)
    table.add_column(title, ratio=1, overflow="fold")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _stacked(head: str) -> str:
    """The head of a column that is to be as narrow as its numbers."""
    return head.replace(", ", ",\n")


def _billions(count: int) -> str:
    return f"{count / 1e9:.2f} B" if count >= 1e7 else ""


def _significant(number: float) -> str:
    return f"{number:,.1f}" if number >= 10 else f"{number:.3g}"
