"""The list of suspect sequences, those of which a check of one sequence says something, for ``--exclude`` of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hoibench.datasets.taco.checks import CheckedSequence, Finding
from hoibench.datasets.taco.doctor.calibration_reviews import CalibrationReview
from hoibench.datasets.taco.download import INFO_FILE
from hoibench.exclusions import ExcludedClip, Exclusions
from hoibench.text import count


@dataclass
class Suspects:
    """The suspect sequences found so far; ``add`` is called for each sequence that was checked."""

    clips: list[ExcludedClip] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)

    def add(self, checked: CheckedSequence, findings: tuple[Finding, ...]) -> None:
        """Add a checked sequence, which is suspect if there are findings."""
        key = checked.recording.sequence.key
        self.checked.add(key)
        if findings:
            displacement = None if checked.comparison is None else checked.comparison.displacement
            reasons = tuple(f"{finding.problem.where} {finding.problem.found}".strip() for finding in findings)
            self.clips.append(ExcludedClip(id=key, reasons=reasons, displacement_cm=_to_cm(displacement)))

    def exclusions(self, reviews: Mapping[str, CalibrationReview]) -> Exclusions:
        """Return all suspects, with those of the checked sequences that the reviews of taco_info.csv, by sequence key, call bad."""
        found = {clip.id: clip for clip in self.clips}
        for key in sorted(self.checked & reviews.keys()):
            if reviews[key].is_bad:
                clip = found.get(key, ExcludedClip(id=key))
                found[key] = clip.model_copy(update={"reasons": (*clip.reasons, f"{reviews[key]} in {INFO_FILE}")})
        source = f"hoibench data doctor, {count(len(self.checked), 'sequence')} checked"
        return Exclusions(source=source, clips=tuple(found[key] for key in sorted(found)))


def _to_cm(metres: float | None) -> float | None:
    return None if metres is None else round(100.0 * metres, 2)
