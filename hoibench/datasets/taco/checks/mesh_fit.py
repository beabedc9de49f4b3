"""A check that the meshes of tool and target have plausible sizes, and fit the hands that hold them and each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import numpy as np
from pydantic import RootModel

from hoibench.clip import Array
from hoibench.datasets.taco.checks.contact import REACH, median, signed_distances
from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.download import MODELS, OBJECT_ROLES
from hoibench.datasets.taco.objects import place_vertices
from hoibench.problems import Problem
from hoibench.store.records import read_toml

_CERTAIN_DEPTH = 0.04
"""Metres: more than a hand's thickness beyond the tolerance; no hand is that far inside of an object."""
_TOUCHING = frozenset(("brush", "cut", "dust", "hit", "scrape off", "screw", "skim off", "smear", "stir", "stir-fry"))
"""Actions in which the tool touches the target, or what lies in it."""
_FARTHEST, _DEEPEST = 0.02, 0.008
"""Metres between tool and target in the nearest frame of such an action; inside of each other in a fifth of the frames."""
_POINTS = 600


class _Sizes(RootModel[dict[str, tuple[float, float]]]):
    """The file object_sizes.toml: category -> shortest and longest plausible length in centimetres."""


@cache
def plausible_sizes() -> dict[str, tuple[float, float]]:
    """Return category -> shortest and longest plausible length of the longest side of an object, in centimetres."""
    return read_toml(_Sizes, files("hoibench.datasets.taco.checks") / "object_sizes.toml").root


def find_wrong_meshes(checked: CheckedSequence) -> Iterator[Finding]:
    """Warn of meshes of implausible size or that do not fit the hands; refuse those of which both is true, or that a hand is deep inside of."""
    recording = checked.recording
    tool, action, target = recording.sequence.triplet
    for index, category in enumerate((tool, target)):
        length = 100.0 * float(np.ptp(recording.meshes[index][0], axis=0).max())
        size = _describe_size(length, category)
        contact = _describe_contact(checked, index)
        if size or contact:
            is_deep = median(checked.contacts[index].depth) > _CERTAIN_DEPTH + checked.contact_tolerance
            certain = is_deep or bool(size and contact)
            mesh = recording.download.mesh(recording.instances[index])
            found = f"({OBJECT_ROLES[index]} of {checked.name}) {' and '.join(filter(None, (size, contact)))}"
            yield Finding("refuse" if certain else "warn", Problem(str(mesh), "", found, "", ""))
    yield from _find_objects_that_miss(checked, action)


def _find_objects_that_miss(checked: CheckedSequence, action: str) -> Iterator[Finding]:
    """Warn of tool and target that are never near each other in an action in which they touch, or that are inside each other."""
    distance = _distance_of_objects(checked)
    distance = distance[np.isfinite(distance)]
    if len(distance) == 0:
        return
    apart, inside = float(distance.min()), float(np.quantile(-distance, 0.8))
    if action in _TOUCHING and apart > _FARTHEST:
        found = f"has tool and target {1e3 * apart:.0f} mm apart or more in all frames of the action {action!r}"
        yield Finding("warn", Problem(checked.name, "", found, "", ""))
    if inside > _DEEPEST:
        found = f"has tool and target {1e3 * inside:.0f} mm or more inside each other in a fifth of the frames"
        yield Finding("warn", Problem(checked.name, "", found, "", ""))


def _describe_size(length: float, category: str) -> str:
    shortest, longest = plausible_sizes().get(category, (0.0, np.inf))
    if shortest <= length <= longest:
        return ""
    return f"is {length:.3g} cm long, while a {category} is {shortest:g} to {longest:g} cm"


def _describe_contact(checked: CheckedSequence, index: int) -> str:
    """Return how an object does not fit the hands, or an empty text: they are inside of it, or it moves while none touches it."""
    contact, tolerance = checked.contacts[index], checked.contact_tolerance
    if (depth := median(contact.depth)) > tolerance:
        return f"has a hand {1e3 * depth:.0f} mm inside of it in the median frame"
    if contact.held_gap > tolerance and not contact.is_beyond(REACH[index]):  # else its poses are wrong, not its mesh
        return f"moves while no hand is nearer than {1e3 * contact.held_gap:.0f} mm, in the median frame"
    return ""


def _distance_of_objects(checked: CheckedSequence) -> Array:
    """Return the least signed distance of tool and target in each contact frame, (F,) metres, from up to 600 vertices of each; NaN if unknown."""
    poses = [of_object[checked.contact_frames] for of_object in checked.recording.object_poses]
    meshes = checked.recording.meshes
    least = []
    for own, other in ((0, 1), (1, 0)):
        vertices = meshes[own][0]
        points = place_vertices(vertices[:: -(-len(vertices) // _POINTS)], poses[own])
        least.append(signed_distances(points, *meshes[other], poses[other]).min(axis=1))
    least_of_both: Array = np.minimum(*least)
    return least_of_both


MESH_FIT = SequenceCheck(
    "mesh-fit",
    "meshes have implausible sizes, or do not fit the hands or each other",
    "meshes have plausible sizes, and fit the hands that hold them and each other",
    f"the meshes may be of other objects or not in centimetres: unpack {MODELS[0]}.zip again; if the problem remains, exclude these sequences",
    find_wrong_meshes,
)
