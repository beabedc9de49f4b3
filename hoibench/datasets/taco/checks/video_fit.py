"""Check that videos show hands and objects where calibration and poses put them."""

from __future__ import annotations

from collections.abc import Iterator

from hoibench.datasets.taco.checks.sequence_check import CheckedSequence, Finding, SequenceCheck
from hoibench.datasets.taco.download import CAMERAS, HANDS, POSES, RGB
from hoibench.datasets.taco.silhouettes.compare import DISPLACED, VideoComparison
from hoibench.problems import Problem


def find_misfits(checked: CheckedSequence) -> Iterator[Finding]:
    """Refuse cameras whose videos are damaged or were exchanged; warn of cameras whose silhouettes fit the video better elsewhere."""
    comparison = checked.comparison
    if comparison is None:
        return
    for camera, error in comparison.unreadable.items():
        path = str(checked.videos[camera])
        fix = f"unpack the zip of camera {camera} again"
        yield Finding("refuse", Problem(path, "", error.removeprefix(path).lstrip(": "), "", fix), camera)
    for camera, other in comparison.exchanged:
        found = f"shows what camera {other} sees, and not what its own calibration says"
        fix = f"unpack the zips of cameras {camera} and {other} again, or exchange the two files"
        yield Finding("refuse", Problem(str(checked.videos[camera]), "", found, "", fix), camera)
    for error in comparison.unreadable_masks:
        yield Finding("warn", Problem.from_text(error))
    if not comparison.exchanged:
        for camera, found in _displacements(comparison):
            yield Finding("warn", Problem(checked.name, "", found, "", ""), camera)


def _displacements(comparison: VideoComparison) -> Iterator[tuple[str, str]]:
    """Yield a text for all cameras, with an empty serial, if one displacement explains their shifts, else (serial, text) of each displaced camera."""
    displaced = [fit for fit in comparison.fits if fit.is_displaced]
    where = "fit its videos best {:.1f} cm away from where calibration and poses put them"
    common = comparison.displacement
    if displaced and common is not None and common >= DISPLACED:
        clear = sum(fit.is_clear for fit in comparison.fits)
        yield (
            "",
            f"has hands and objects that {where.format(100 * common)}, as {len(displaced)} of {clear} cameras show",
        )
        return
    for fit in displaced:
        found = where.format(100 * fit.offset).replace("its videos", f"the video of camera {fit.serial}")
        agreement = f"agreement {fit.agreement:.2f} there, {fit.best:.2f} at best"
        yield fit.serial, f"has hands and objects that {found} ({agreement})"


VIDEO_FIT = SequenceCheck(
    "video-fit",
    "videos do not show hands and objects where calibration and poses put them",
    "videos show hands and objects where calibration and poses put them",
    f"look at the pictures of --overlay; unpack {RGB}, {CAMERAS}.zip, {POSES}.zip and {HANDS}.zip again; if the fault remains, exclude the sequence",
    find_misfits,
)
