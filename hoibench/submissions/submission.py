"""A submission on disk: a folder of predictions, or a zip of one, with submission.toml, which describes the method and names the split.

SUBMISSION/
  submission.toml
  20230927_163/                or seed-0/20230927_163/, one folder per seed
    view-0.mp4  view-1.mp4  view-2.mp4  tracks.npz  prediction.json (optional)
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from hoibench.clip import Pairing, Scale
from hoibench.methods.spec import Family, MethodId, Output, Spec, Text, ViewType
from hoibench.problems import Problem, ProblemsFound
from hoibench.store.records import Record, list_problems, read_toml

SUBMISSION_FILE = "submission.toml"

Seed = Annotated[int, Field(ge=0, le=999_999)]
NonEmptyText = Annotated[Text, StringConstraints(min_length=1)]


class Submission(Record):
    """The contents of submission.toml.

    Attributes:
        name: the method's id, the name of its row.
        title: its full name.
        authors: who made it.
        contact: a mail or web address for questions.
        licence: the licence of the predictions, e.g. ``CC-BY-4.0``.
        dataset: the data set, e.g. ``synthetic``.
        split: the split, e.g. ``synthetic@2/test_unseen``.
        split_id: the split's hash, 12 hex digits, from ``hoibench ls splits``.
        seeds: the seeds of the folders ``seed-S``; one seed for predictions without such folders.
        families, view_type, outputs, pairing, scale: as in ``Spec``.
        paper, code: web addresses, or empty.
    """

    name: MethodId
    title: NonEmptyText
    authors: tuple[NonEmptyText, ...] = Field(min_length=1, max_length=100)
    contact: NonEmptyText
    licence: NonEmptyText
    dataset: NonEmptyText
    split: NonEmptyText
    split_id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=100)
    families: tuple[Family, ...] = Field(min_length=1)
    view_type: ViewType
    outputs: tuple[Output, ...] = Field(min_length=1)
    pairing: Pairing
    scale: Scale
    paper: Text = ""
    code: Text = ""

    def to_spec(self) -> Spec:
        """Return the description of the method for a run."""
        fields = ("families", "view_type", "outputs", "pairing", "scale", "paper")
        return Spec(id=self.name, name=self.title, **{name: getattr(self, name) for name in fields})


def read_submission(folder: Path) -> Submission:
    """Read the submission.toml of a folder.

    Raises:
        FileNotFoundError: there is none; says how to write one.
        ProblemsFound: has a problem for each key that is missing, unknown or invalid.
        ValueError: it is a link, or ``read_toml`` refuses it for another reason.
    """
    path = folder / SUBMISSION_FILE
    if path.is_symlink():
        raise ValueError(f"{path} is a link: copy the file")
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: write it, as docs/submit.md shows, or copy the one of init-method")
    try:
        return read_toml(Submission, path)
    except ValueError as error:
        if isinstance(error.__cause__, ValidationError):
            texts = list_problems(error.__cause__, Submission)
            raise ProblemsFound(Problem(f"{path}:", "", text, "", "") for text in texts) from error
        raise
