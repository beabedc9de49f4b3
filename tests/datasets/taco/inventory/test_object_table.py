import csv
import io

from hoibench.datasets.taco.inventory.index_record import Record
from hoibench.datasets.taco.inventory.object_table import ObjectRow, format_objects, object_rows

RECORDS = (
    Record("20230927_001", ("brush", "brush", "bowl"), objects={"tool": "071", "target": "146"}),
    Record("20230927_002", ("bowl", "empty", "plate"), objects={"tool": "146", "target": "019"}),
    Record("20230927_003", ("bowl", "empty", "cup"), objects={"tool": "146", "target": "019"}),
    Record("20230927_004", ("spoon", "stir", "plate"), objects={"tool": "033", "target": "019"}),
    Record("20230927_005", ("spoon", "stir", "bowl"), objects={"target": "146"}),
    Record("20230927_006", ("ruler", "measure", "box")),
)


def test_categories_are_joined_from_the_triplets():
    assert object_rows(RECORDS) == (
        ObjectRow("019", "plate", ("target",), 3, {"cup": 1}),
        ObjectRow("033", "spoon", ("tool",), 1, {}),
        ObjectRow("071", "brush", ("tool",), 1, {}),
        ObjectRow("146", "bowl", ("tool", "target"), 4, {}),
    )


def test_an_object_that_is_tool_and_target_of_a_sequence_is_in_one_sequence():
    [row] = object_rows([Record("20230927_001", ("bowl", "empty", "bowl"), objects={"tool": "146", "target": "146"})])
    assert row == ObjectRow("146", "bowl", ("tool", "target"), 1, {})


def test_two_categories_are_flagged_not_fatal():
    rows = list(csv.DictReader(io.StringIO(format_objects(RECORDS))))
    assert rows[0] == {"object": "019", "category": "plate", "roles": "target", "sequences": "3", "also": "cup in 1"}
    assert [row["also"] for row in rows[1:]] == ["", "", ""]
    assert rows[3]["roles"] == "tool;target"


def test_nothing_gives_a_head():
    assert format_objects([]) == "object,category,roles,sequences,also\n"
