"""The checks of a sequence before views by some of its cameras are prepared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from hoibench.datasets.taco.checks import (
    ANNOTATION_CHECKS,
    CAMERA_CHECKS,
    COMPARISON_CHECKS,
    CheckedSequence,
    Finding,
    find_all,
    raise_refusals,
)
from hoibench.datasets.taco.recording import Recording


@dataclass(frozen=True, eq=False)
class ViewChecks:
    """The checks of a recording and its videos of one kind; those of annotations and of all videos are run once.

    Attributes:
        recording: the recorded sequence.
        modality: the folder of the videos' kind.
    """

    recording: Recording
    modality: str

    def check(self, serials: Sequence[str]) -> tuple[str, ...]:
        """Run the checks for new views by these cameras, and return the warnings.

        Raises:
            FileNotFoundError: a file of the sequence is missing.
            ValueError: a file is damaged, or the sequence or one of these cameras is refused.
        """
        videos = {serial: self.recording.sequence.video(serial, self.modality) for serial in serials}
        found = find_all(CAMERA_CHECKS, CheckedSequence(self.recording, videos))
        return raise_refusals([*found, *self._comparison_findings(serials), *self._annotation_findings])

    @cached_property
    def _annotation_findings(self) -> tuple[Finding, ...]:
        return tuple(find_all(ANNOTATION_CHECKS, CheckedSequence(self.recording, {})))

    def _comparison_findings(self, serials: Sequence[str]) -> Iterator[Finding]:
        """Yield the findings in all videos that concern these cameras; a camera that is refused is a warning to others."""
        for finding in self._all_comparison_findings:
            if finding.camera in ("", *serials):
                yield finding
            elif finding.severity == "refuse":
                yield replace(finding, severity="warn")

    @cached_property
    def _all_comparison_findings(self) -> tuple[Finding, ...]:
        checked = CheckedSequence(self.recording, self.recording.videos(self.modality))
        return tuple(find_all(COMPARISON_CHECKS, checked))
