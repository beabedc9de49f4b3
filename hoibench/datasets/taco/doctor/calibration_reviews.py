"""Reader of taco_info.csv, a table of calibration reviews by a mirror of TACO; it is not part of the official release."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

_COLUMNS = ("sequence_id", "calib_status", "calib_bad_cams")


@dataclass(frozen=True)
class CalibrationReview:
    """The review of one sequence's calibration.

    Attributes:
        status: good, bad_hand_pose, incomplete, ...
        bad_cameras: serials of the cameras with a wrong calibration.
    """

    status: str
    bad_cameras: tuple[str, ...]

    @property
    def is_bad(self) -> bool:
        """True if the review says anything but good."""
        return self.status not in ("", "good") or bool(self.bad_cameras)

    def __str__(self) -> str:
        cameras = f", bad cameras {', '.join(self.bad_cameras)}" if self.bad_cameras else ""
        return f"has calib_status {self.status!r}{cameras}"


def read_reviews(path: Path) -> dict[str, CalibrationReview]:
    """Read taco_info.csv and return sequence key (YYYYMMDD_NNN) -> calibration review.

    Raises:
        FileNotFoundError: the file is missing.
        ValueError: the file is not text, lacks a column, or a row is truncated; names file and line.
    """
    reviews = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                raise ValueError(f"{path} has no column {', '.join(missing)}: download it again, or delete it")
            for row in rows:
                name, status, bad = (row[column] for column in _COLUMNS)
                if None in (name, status, bad):
                    raise ValueError(f"{path}, line {rows.line_num} is truncated: download it again, or delete it")
                serials = tuple(serial.strip() for serial in bad.split(";") if serial.strip())
                reviews[name.rpartition("/")[2]] = CalibrationReview(status, serials)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} is not a CSV file ({error}): download it again, or delete it") from error
    return reviews
