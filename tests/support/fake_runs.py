"""Writes run folders with invented but realistic results."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from hoibench.clip_entry import ClipEntry
from hoibench.metric_card import Card, Companion
from hoibench.results.result_row import ResultRow
from hoibench.results.results_file import write_rows
from hoibench.results.run_record import RunMethod, RunRecord

CAPS = {"rpe@1": 100.0, "chamfer@1": "scene_size", "mv_rpe_scene@1": 300.0, "mv_rpe_world@1": 300.0, "xv_rpe@1": 300.0}
"""Caps of the metrics of which 0 is a good value."""
SCENE_SIZE = 0.3


def card(id, title, group, unit, direction, **more):
    return Card(
        **(
            {
                "id": id,
                "entry": "no:where",
                "title": title,
                "group": group,
                "unit": unit,
                "direction": direction,
                "formula": "mean of e",
                "source": "invented",
                "cap": CAPS.get(id, 0.0),
            }
            | more
        )
    )


CARDS = {
    c.id: c
    for c in [
        card(
            "dynamic_degree/dis@1",
            "Dyn. Deg. (DIS)",
            "video/single-view",
            "0..1",
            "higher",
            bounds=(0.0, 1.0),
            regions=("full", "fg"),
            failure="A cut counts as motion.",
        ),
        card("psnr@1", "PSNR", "video/single-view", "dB", "higher", ranked=False, regions=("full", "fg")),
        card(
            "matching_pixels/sift-mnn@1",
            "Mat. Pix. (SIFT)",
            "video/multi-view",
            "count",
            "higher",
            bounds=(0.0, None),
            regions=("full", "fg"),
            primary=True,
            failure="A frozen clip matches as well as its first frame.",
            companions=(
                Companion(metric="dynamic_degree/dis@1", ratio_to_truth=(0.5, 2.0), why="still videos match, too"),
            ),
        ),
        card(
            "matching_pixels_dyn/sift-mnn@1",
            "Mat. Pix. moving",
            "video/multi-view",
            "count",
            "higher",
            regions=("full", "fg"),
        ),
        card(
            "rpe@1",
            "RPE",
            "motion/single-view",
            "%",
            "lower",
            formula="100 mean_v mean_n [ sum_k m e / sum_k m ],  e = |sP-X| / max(|X|, 0.01)",
            deviations="The supplement promises a formula and has none.",
        ),
        card("pi@1", "PI", "motion/single-view", "%", "higher", failure="Saturates on a table top."),
        card("chamfer@1", "Cham. Dis.", "motion/single-view", "m", "lower", primary=True),
        card("smoothness@1", "Smooth.", "motion/single-view", "m/frame²", "ratio", failure="A frozen clip scores 0."),
        card("mv_rpe_scene@1", "MV RPE (scene)", "motion/multi-view", "%", "lower", primary=True),
        card("mv_rpe_world@1", "MV RPE (world)", "motion/multi-view", "%", "lower", ranked=False),
        card(
            "xv_rpe@1",
            "XV RPE",
            "motion/multi-view",
            "%",
            "lower",
            companions=(
                Companion(
                    metric="mv_rpe_scene@1",
                    not_worse_than="frozen",
                    required=True,
                    why="views may agree and be wrong alike",
                ),
            ),
        ),
    ]
}
MOTION = tuple(i for i, c in CARDS.items() if c.group.startswith("motion"))
VIDEO = tuple(i for i, c in CARDS.items() if c.group.startswith("video"))


@dataclass(frozen=True)
class FakeMethod:
    """A method of a fake run; ``means`` has the mean value of each metric."""

    id: str
    name: str
    means: Mapping[str, float]
    kind: str = "method"
    families: tuple[str, ...] = ()
    more: Mapping[str, object] = field(default_factory=dict)
    conditions: Mapping[str, object] = field(default_factory=dict)


def means(dd, mp, rpe=None, chamfer=None, smooth=None, mv=None, psnr=18.0):
    """Derive the mean of each metric from a few values."""
    video = {
        "dynamic_degree/dis@1": dd,
        "psnr@1": psnr,
        "matching_pixels/sift-mnn@1": mp,
        "matching_pixels_dyn/sift-mnn@1": mp * dd / 3,
    }
    if rpe is None:
        return video
    return video | {
        "rpe@1": rpe,
        "pi@1": max(0.0, 100 - 1.5 * rpe),
        "chamfer@1": chamfer,
        "smoothness@1": smooth,
        "mv_rpe_scene@1": mv,
        "mv_rpe_world@1": 2 * mv,
        "xv_rpe@1": mv / 2,
    }


TRUE_SMOOTHNESS = 0.012
REFERENCE_ROWS = [
    FakeMethod("ground_truth", "Ground truth", means(1, 300, 0, 0, TRUE_SMOOTHNESS, 0, 60), "reference"),
    FakeMethod("gt_noise_1cm", "Truth + 1 cm noise", means(1, 300, 1.4, 0.013, 0.034, 6, 60), "reference"),
    FakeMethod("gt_scaled_0.9", "Truth × 0.9", means(1, 300, 10, 0.21, 0.0108, 48, 60), "reference"),
    FakeMethod("frozen", "Frozen first frame", means(0, 320, 9.1, 0.048, 0, 46, 19), "reference"),
    FakeMethod("frozen_self/syncmv4d", "Frozen self: SyncMV4D", means(0, 210, 9.4, 0.05, 0, 47, 19), "reference"),
    FakeMethod("random", "Random", means(1, 2, 41, 0.31, 0.4, 190, 8), "reference"),
]
METHODS = [
    FakeMethod(
        "syncmv4d",
        "SyncMV4D",
        means(0.97, 214, 5.1, 0.021, 0.0131, 21),
        families=("i2vm", "ito4g"),
        more={
            "view_type": "mv",
            "pairing": "query",
            "paper": "https://arxiv.org/abs/2511.19319",
            "privileges": ("query anchors",),
        },
    ),
    FakeMethod(
        "svimo",
        "SViMo",
        means(0.95, 206, 5.3, 0.022, 0.0152, 22),
        families=("i2vm", "ito4g"),
        more={"view_type": "sv", "pairing": "anchor"},
    ),
    FakeMethod(
        "wan2.2",
        "WAN2.2",
        means(0.31, 180),
        families=("i2v",),
        more={"view_type": "sv", "paper": "https://arxiv.org/abs/2503.20314"},
    ),
    FakeMethod(
        "das", "DaS", means(0.99, 96), families=("v2v",), more={"view_type": "sv", "privileges": ("source view",)}
    ),
    FakeMethod(
        "sv4d2",
        "SV4D 2.0",
        means(0.86, 60),
        families=("v2v",),
        more={"view_type": "mv", "privileges": ("source view",), "regions": ("fg",)},
    ),
    FakeMethod(
        "geo4d",
        "Geo4D",
        means(1, 300, 7.7, 0.034, 0.022, 55),
        families=("vto4r",),
        more={"pairing": "oracle-projection", "privileges": ("target videos",)},
        conditions={"pairing": "oracle-projection", "alignment": "per_view"},
    ),
    FakeMethod(
        "geocrafter",
        "GeometryCrafter",
        means(1, 300, 6.4, 0.029, 0.021, 41),
        families=("vto4r",),
        more={"pairing": "oracle-projection", "privileges": ("target videos",)},
        conditions={"pairing": "oracle-projection", "alignment": "per_view"},
    ),
]

Edit = Callable[[dict], dict | None]


def write_run(
    folder: Path,
    methods: Sequence[FakeMethod] = (*REFERENCE_ROWS, *METHODS),
    clips: int = 24,
    instances: int | None = None,
    seeds: Sequence[int] = (0, 1, 2),
    metrics: Sequence[str] = tuple(CARDS),
    edit: Edit = dict,
    first_clip: int = 0,
    **record_keys: object,
) -> Path:
    """Write run.json and results.parquet to ``folder``.

    ``edit`` takes each row's dict and returns a changed one, or None to drop the row; ``record_keys`` replace keys of run.json.
    """
    places = range(first_clip, first_clip + clips)
    clip_set_id = f"{first_clip:04x}{clips:08x}"
    rows = [row for method in methods for seed in seeds for row in _rows(method, places, seed, clip_set_id, metrics)]
    edited = [table for row in rows if (table := edit(row)) is not None]
    write_rows(folder / "results.parquet", [ResultRow(**table) for table in edited])
    names = [_clip_name(n) for n in places]
    record = _record(folder.name, methods, names, instances or clips, clip_set_id, list(seeds)) | record_keys
    (folder / "run.json").write_text(json.dumps(record))
    return folder


def _clip_name(place: int) -> str:
    return f"2023{1001 + place:04d}_{place:03d}"


@lru_cache
def _factors(seed: tuple[int, ...], sigma: float) -> np.ndarray:
    """Factors around one by clip; they do not depend on the number of clips of a run."""
    return np.random.default_rng(seed).lognormal(0, sigma, 1000)


def _rows(method: FakeMethod, places: Sequence[int], seed: int, clip_set_id: str, metrics: Sequence[str]):
    difficulty = _factors((1,), 0.25)
    for metric, level in method.means.items():
        own = _factors((seed, *metric.encode(), *method.id.encode()), 0.12)
        share = metric.startswith(("dynamic", "pi@"))
        for n in places if metric in metrics else ():
            value = float(min(level * own[n], 1 if level <= 1 else 100) if share else level * difficulty[n] * own[n])
            for region in CARDS[metric].regions:
                scaled = value * (0.7 if region == "fg" else 1)
                yield _row(method, _clip_name(n), seed, clip_set_id, metric, region, scaled, difficulty[n])


def _row(
    method: FakeMethod,
    name: str,
    seed: int,
    clip_set_id: str,
    metric: str,
    region: str,
    value: float,
    difficulty: float,
):
    conditions = (
        {"pairing": "query", "alignment": "none"} | dict(method.conditions)
        if metric in MOTION
        else {"pairing": None, "alignment": None}
    )
    return {
        "method": method.id, "preset": method.more.get("preset"), "clip": name, "split": "synthetic@2/test_seen",
        "clip_set_id": clip_set_id, "seed": seed,
        "metric": metric, "region": region, "part": None, "view": None, "pair": None, "frame": None, "value": value, "status": "ok", "reason": None,
        "unit": CARDS[metric].unit, "n_scored": 3, "n_expected": 3, "scale": None, "truth": "synthetic",
        "coverage": 1.0 if metric in MOTION else None, "cap": SCENE_SIZE if metric == "chamfer@1" else CARDS[metric].cap,
        "details": {"ratio": value / (TRUE_SMOOTHNESS * difficulty)} if metric == "smoothness@1" else {}, **conditions,
    }  # fmt: skip


def _record(
    name: str, methods: Sequence[FakeMethod], names: Sequence[str], instances: int, clip_set_id: str, seeds: list[int]
):
    triplets = [("hammer", "hit", "toy"), ("brush", "dust", "bowl"), ("spatula", "stir", "pan")]
    methods = [
        RunMethod(**{"id": a.id, "name": a.name, "kind": a.kind, "families": a.families} | dict(a.more)).to_json()
        for a in methods
    ]
    return {
        "schema": RunRecord.SCHEMA, "name": name, "config": {"seed": seeds, "precision": "fp32"}, "config_hash": "c" * 64, "identity": {},
        "dataset": "synthetic", "kind": "synthetic", "has_truth": True, "split": "synthetic@2/test_seen", "split_id": "5b1e0c44d2aa",
        "clip_set_id": clip_set_id, "truth_id": "", "notes": [],
        "clips": [
            asdict(
                ClipEntry(
                    id=clip, triplet=triplets[n % 3], instances=(f"{n % instances:03d}", "112"),
                    tags=("unseen_object",) if n % 4 == 0 else (),
                )
            )
            for n, clip in enumerate(names)
        ],
        "excluded": [], "methods": methods, "metrics": list(CARDS), "seeds": seeds, "shard": None, "merged": False,
        "provenance": {
            "created": "2026-11-22T17:00:00+00:00", "git": {"commit": "0" * 40, "dirty": False}, "versions": {"numpy": "2.4.6"}, "python": "3.11.15",
            "platform": "Linux", "hardware": "2 cores", "command": "python -m hoibench.run --method syncmv4d --method svimo",
        },
        "earlier_provenance": [], "exit": {"status": "done", "failures": []},
    }  # fmt: skip
