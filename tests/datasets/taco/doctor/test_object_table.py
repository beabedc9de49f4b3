import csv
import io

import pytest

from hoibench.datasets.taco.doctor.object_table import ObjectRow, format_objects, object_rows
from hoibench.datasets.taco.download import POSES, TacoSequence, find_sequences, triplet_folder

RECORDED = {
    "20230927_001": (("brush", "brush", "bowl"), {"tool": "071", "target": "146"}),
    "20230927_002": (("bowl", "empty", "plate"), {"tool": "146", "target": "019"}),
    "20230927_003": (("bowl", "empty", "cup"), {"tool": "146", "target": "019"}),
    "20230927_004": (("spoon", "stir", "plate"), {"tool": "033", "target": "019"}),
    "20230927_005": (("spoon", "stir", "bowl"), {"target": "146"}),
    "20230927_006": (("ruler", "measure", "box"), {}),
}


def write_sequences(root, recorded) -> list[TacoSequence]:
    """Sequences with empty pose files."""
    for key, (triplet, objects) in recorded.items():
        folder = root / POSES / triplet_folder(triplet) / key
        folder.mkdir(parents=True)
        for role, object_id in objects.items():
            (folder / f"{role}_{object_id}.npy").touch()
    return list(find_sequences(root, POSES).values())


@pytest.fixture
def sequences(tmp_path):
    return write_sequences(tmp_path, RECORDED)


def test_categories_come_from_the_triplets(sequences):
    assert object_rows(sequences) == (
        ObjectRow("019", "plate", ("target",), 3, {"cup": 1}),
        ObjectRow("033", "spoon", ("tool",), 1, {}),
        ObjectRow("071", "brush", ("tool",), 1, {}),
        ObjectRow("146", "bowl", ("tool", "target"), 4, {}),
    )


def test_an_object_that_is_tool_and_target_of_a_sequence_is_in_one_sequence(tmp_path):
    sequences = write_sequences(
        tmp_path, {"20230927_001": (("bowl", "empty", "bowl"), {"tool": "146", "target": "146"})}
    )
    assert object_rows(sequences) == (ObjectRow("146", "bowl", ("tool", "target"), 1, {}),)


def test_two_categories_of_an_object_are_listed(sequences):
    rows = list(csv.DictReader(io.StringIO(format_objects(sequences))))
    assert rows[0] == {"object": "019", "category": "plate", "roles": "target", "sequences": "3", "also": "cup in 1"}
    assert [row["also"] for row in rows[1:]] == ["", "", ""]
    assert rows[3]["roles"] == "tool;target"


def test_no_sequences_give_only_a_header():
    assert format_objects([]) == "object,category,roles,sequences,also\n"
