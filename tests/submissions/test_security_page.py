"""The limits in docs/security.md are those of the code."""

from pathlib import Path

import pytest

from hoibench.evaluation.verify import UNIT_TIMEOUT
from hoibench.results.pack import RESULTS_FILE, RUN_FILE, PackRecord
from hoibench.store import json_file, npz, records, torch_pickle
from hoibench.submissions import archive, limited, pack_check
from hoibench.video import decoding, info

PAGE = (Path(__file__).parents[2] / "docs" / "security.md").read_text("utf-8")
ROWS = {cells[1].strip(): cells[2] for line in PAGE.splitlines() if len(cells := line.split("|")) == 5}
ZIP, NPZ, CHILD = archive.ArchiveLimits(), npz.ArrayLimits(), limited.Limits()


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        (
            "a process that reads predictions or packs",
            [f"{CHILD.memory_bytes >> 30} GiB of address space", f"{CHILD.cpu_seconds} s of processor", f"{CHILD.seconds:g} s by the clock"],
        ),
        (
            "zip archive",
            [
                f"{ZIP.members:,} members of at most {ZIP.member_bytes >> 30} GiB", f"{ZIP.total_bytes >> 30} GiB in all",
                f"{ZIP.ratio} times its size", f"{ZIP.depth} parts in a name",
            ],
        ),
        (
            "npz file",
            [f"{NPZ.members} arrays of at most {NPZ.array_bytes >> 30} GiB", f"{NPZ.total_bytes >> 30} GiB in all", f"{npz._HEADER_BYTES:,} bytes"],
        ),
        ("video", [f"{info.MAX_SIDE:,} pixels", f"{decoding.MAX_BYTES >> 30} GiB decoded"]),
        ("JSON", [f"{json_file.MAX_BYTES >> 20} MiB"]),
        ("TOML", [f"{records.MAX_TOML_BYTES >> 10} KiB"]),
        (
            "pack",
            [
                f"{pack_check.MAX_BYTES[RUN_FILE] >> 20} MiB each", f"`{RESULTS_FILE}` {pack_check.MAX_BYTES[RESULTS_FILE] >> 20} MiB",
                f"{pack_check.MAX_ROWS:,} rows", f"{pack_check.MAX_UNPACKED_BYTES >> 30} GiB unpacked",
            ],
        ),
        ("pickles of TACO", [f"{torch_pickle.MAX_BYTES >> 30} GiB"]),
        ("verification", [{3600.0: "one hour"}[UNIT_TIMEOUT]]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_limit_on_the_page_is_that_of_the_code(row, limits):
    assert [limit for limit in limits if limit not in ROWS[row]] == []


def test_both_records_of_a_pack_have_one_limit():
    assert pack_check.MAX_BYTES[RUN_FILE] == pack_check.MAX_BYTES[PackRecord.FILE]
