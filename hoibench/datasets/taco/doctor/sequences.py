"""The checks of single sequences that preparation holds, too, on the sampled sequences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from hoibench.datasets.taco.checks import (
    ANNOTATION_CHECKS,
    CAMERA_CHECKS,
    COMPARISON_CHECKS,
    CheckedSequence,
    Finding,
    SequenceCheck,
)
from hoibench.datasets.taco.doctor.context import DiagnosticContext
from hoibench.datasets.taco.doctor.report import Check, CheckStatus, Findings
from hoibench.datasets.taco.download import TacoDownload, read_hand_model
from hoibench.datasets.taco.hand.hand_models import HandModel, ProxyHand, choose_hand_model
from hoibench.datasets.taco.protocol import MODALITIES
from hoibench.datasets.taco.recording import Recording

_CHECKS: tuple[SequenceCheck, ...] = (*CAMERA_CHECKS, *COMPARISON_CHECKS, *ANNOTATION_CHECKS)


def check_sequences(context: DiagnosticContext) -> Iterator[Check]:
    """Yield the checks in ``hoibench.datasets.taco.checks``, each of all sampled sequences whose files can be read."""
    found: dict[str, tuple[Findings, Findings]] = {check.id: (Findings(), Findings()) for check in _CHECKS}
    model = _hand_model(context)
    read = 0
    for sequence in context.iterate("hands and objects", context.sampled):
        try:
            recording = Recording(TacoDownload(context.root), sequence, model)
            checked = CheckedSequence(recording, _videos(context, recording))
            _ = checked.surfaces
        except (ValueError, OSError):
            continue  # reported by the checks of calibration, poses, hands and meshes
        read += 1
        findings = [finding for check in _CHECKS for finding in _run(check, checked, *found[check.id])]
        context.on_checked(checked, tuple(findings))
    for check in _CHECKS:
        yield _to_check(check, *found[check.id], read)


def _hand_model(context: DiagnosticContext) -> HandModel:
    try:
        return choose_hand_model(read_hand_model(context.root), context.mano)
    except (ValueError, OSError):  # reported by the check of MANO
        return ProxyHand()


def _videos(context: DiagnosticContext, recording: Recording) -> Mapping[str, Path]:
    """Return serial -> path of the calibrated cameras' videos, of the kind that the split uses or else of the other kind."""
    kinds = sorted(MODALITIES, key=lambda kind: kind not in context.video_kinds)
    return next((videos for kind in kinds if (videos := recording.videos(MODALITIES[kind]))), {})


def _run(check: SequenceCheck, checked: CheckedSequence, refused: Findings, warned: Findings) -> list[Finding]:
    """Add the findings of a check of one sequence to those for which sequences are refused or to the warnings, and return them.

    An error of the check is one of them.
    """
    findings: list[Finding] = []
    failed = Findings()
    with failed.catch(checked.name):
        findings.extend(check.find(checked))
    findings += [Finding("refuse", problem) for problem in failed.problems]
    for finding in findings:
        (refused if finding.severity == "refuse" else warned).add_problem(finding.problem)
    return findings


def _to_check(check: SequenceCheck, refused: Findings, warned: Findings, read: int) -> Check:
    status: CheckStatus = "problem" if refused.count else "warning"
    both = Findings(refused.count + warned.count, refused.problems + warned.problems)
    return both.to_check(check.id, check.bad, check.good, check.fix, read, status)
