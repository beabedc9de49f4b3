"""The rows of Tables 3 and 4 of the SyncMV4D paper as data: the fields of the configuration that each changes against its neighbour.

``reference_model.config`` makes a preset BASE-ROW of each row for each base, for example ``micro-no_cycle``; ``spec.toml`` has the same presets of
the method.  This module imports nothing of the project, so that the configuration can read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

BASES = ("micro", "nano", "wan22_5b")
"""Presets of which the rows are variants."""

START = "start"
"""Name of the common start, from whose weights every row is trained: what Wan2.2 is to the paper, a diffusion model of videos of one view."""

START_CHANGES: Mapping[str, Any] = {
    "aligner": False,
    "mjd.motion": False,
    "mjd.inter_view": "none",
    "mjd.views": 1,
    "dpa.views": 1,
    "cycle.guidance": False,
}
"""Fields of the base's configuration that the common start changes, by dotted name."""

SIZES: Mapping[str, Mapping[str, Any]] = {
    "micro": {
        "mjd.num_layers": 4,
        "mjd.num_attention_heads": 4,
        "mjd.ffn_dim": 512,
        "dpa.width": 64,
    },
}
"""Fields of a base that all its rows and their common start change alike, by dotted name; bases that are not listed keep their own sizes.

Micro's are smaller than its own, so that the weights of eight models may be part of hoibench (``reference_model.ablations.stored_sizes``).
"""

MARKS = ("Multi-view", "MJD", "DPA", "Cycle")
"""Columns of check marks, as Table 3 prints them."""


@dataclass(frozen=True)
class Row:
    """A row of Table 3 or 4, or one that we add.

    Attributes:
        name: the row's name; its preset is BASE-NAME.
        title: its name in tables.
        neighbour: name of the row from which it differs in one thing; empty for ``full``, which is compared with the base in
            the sizes of ``SIZES``.
        thing: the one thing in which it differs from its neighbour, in words.
        changes: fields of the configuration that it changes against its neighbour, by dotted name.
        settings: settings of the method that it changes against its neighbour, by name.
        marks: whether it has each of ``MARKS``; None is neither, as for the cycle whose gradient is detached.
        gives_tracks: whether it gives tracks, not videos alone.
        tables: numbers of the paper's tables that it belongs to.
        paper: the paper's name of the row by table number, as in leaderboard/reported/syncmv4d.toml; empty for rows that the paper lacks.
        weights: name of the row whose weights it uses; empty for its own.
    """

    name: str
    title: str
    neighbour: str
    thing: str
    changes: Mapping[str, Any]
    marks: tuple[bool | None, bool | None, bool | None, bool | None]
    tables: tuple[int, ...]
    paper: Mapping[int, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    gives_tracks: bool = True
    weights: str = ""

    @property
    def trained(self) -> str:
        """Name of the row whose weights it uses."""
        return self.weights or self.name


ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row(
            name="single_view",
            title="One view at a time",
            neighbour="full",
            thing="views are trained and sampled one by one",
            changes={"mjd.views": 1, "dpa.views": 1},
            marks=(False, True, True, True),
            tables=(3,),
            paper={3: "One view at a time"},
        ),
        Row(
            name="video_only",
            title="Videos only",
            neighbour="no_aligner",
            thing="no motion is generated with the videos",
            changes={"mjd.motion": False},
            marks=(True, False, False, False),
            tables=(3,),
            paper={3: "Videos only"},
            gives_tracks=False,
        ),
        Row(
            name="tracking_video",
            title="Tracking video",
            neighbour="no_aligner",
            thing="motion shows each point's depth in frame 0",
            changes={"pseudo_video.first_depth": True},
            marks=(True, True, False, False),
            tables=(4,),
            paper={4: "Ours-MJD-TrackingVideo"},
            gives_tracks=False,
        ),
        Row(
            name="no_aligner",
            title="Without aligner",
            neighbour="no_cycle",
            thing="tracks are read from the motion; a point that is not found keeps its last found place",
            changes={"aligner": False},
            marks=(True, True, False, False),
            tables=(3, 4),
            paper={3: "Without aligner", 4: "Ours-MJD-PointTracks"},
        ),
        Row(
            name="no_aligner-unfilled",
            title="Without aligner, unfilled",
            neighbour="no_aligner",
            thing="a point that is not found in a frame is missing there",
            changes={},
            settings={"loop": "mjd_tracks"},
            marks=(True, True, False, False),
            tables=(3, 4),
            paper={},
            weights="no_aligner",
        ),
        Row(
            name="no_cycle",
            title="Without cycle",
            neighbour="cycle_detached",
            thing="the aligner's tracks do not guide the diffusion model",
            changes={"cycle.guidance": False},
            marks=(True, True, True, False),
            tables=(3,),
            paper={3: "Without cycle"},
        ),
        Row(
            name="cycle_detached",
            title="Cycle, detached",
            neighbour="full",
            thing="the aligner's loss gives the diffusion model no gradient",
            changes={"cycle.gradient": "none"},
            marks=(True, True, True, None),
            tables=(3,),
            paper={},
        ),
        Row(
            name="full",
            title="SyncMV4D, full",
            neighbour="",
            thing="the aligner's loss reaches the diffusion model through the depth range, also for bases that lack this gradient by themselves",
            changes={"cycle.gradient": "depth_scale"},
            marks=(True, True, True, True),
            tables=(3, 4),
            paper={3: "SyncMV4D, full", 4: "SyncMV4D, full"},
        ),
    )
}
"""The rows by name, in the order of the tables."""


def all_changes(name: str) -> dict[str, Any]:
    """Return the fields that a row changes against the base in its ``SIZES``, by dotted name: its own changes and those of its neighbours."""
    row = ROWS[name]
    return {**(all_changes(row.neighbour) if row.neighbour else {}), **row.changes}


def all_settings(name: str) -> dict[str, str]:
    """Return the settings of the method that a row changes, by name: its own and those of its neighbours."""
    row = ROWS[name]
    return {**(all_settings(row.neighbour) if row.neighbour else {}), **row.settings}
