"""The paper's tables, digit by digit, and the messages for an invalid file."""

import pytest

from hoibench.store.records import parse_record
from leaderboard.reported_results import Paper, read_papers


def test_the_four_tables_are_the_papers():
    (paper,) = read_papers()
    assert "arXiv:2511.19319" in paper.citation and [table.number for table in paper.tables] == [1, 2, 3, 4]
    one, two, three, four = ({row.method: row.values for row in table.rows} for table in paper.tables)
    assert one["WAN2.2"] == ("0.9562", "0.4521", "33.8", "76.78") and one["SyncMV4D"] == (
        "0.9351",
        "0.9877",
        "529.4",
        "83.67",
    )
    assert one["SViMo"] == ("0.9285", "0.9601", "137.5", "82.88") and one["DaS"] == (
        "0.8828",
        "0.9962",
        "182.3",
        "83.34",
    )
    assert one["SV4D 2.0"] == ("0.7988", "0.8628", "108.7", "79.31")
    assert two["Geo4D"] == ("21.7", "71.5", "0.0134", "0.0228", "81.1", "1.56")
    assert two["GeometryCrafter"] == ("17.0", "87.3", "0.0115", "0.0222", "67.3", "4.16")
    assert two["SyncMV4D"] == ("15.2", "98.2", "0.0103", "0.0152", "32.7", "39.1")
    assert list(three.values()) == [
        ("122.7", "75.3"),
        ("462.6", ""),
        ("501.3", "46.3"),
        ("498.2", "33.5"),
        ("529.4", "32.7"),
    ]
    assert list(four.values()) == [("483.8", ""), ("503.1", "46.3"), ("529.4", "32.7")]
    assert paper.tables[2].rows[0].attributes == ("–", "✓", "✓", "✓")
    assert paper.tables[0].groups == (("Single-view", 2), ("Multi-view", 2))


def table(**change):
    row = {"method": "A", "attributes": [], "values": ["1.0"]}
    return {
        "schema": "hoibench/reported@2", "title": "T", "citation": "C", "url": "https://a.b", "note": "",
        "table": [{"number": 1, "title": "t", "note": "", "attributes": [], "columns": [{"title": "RPE", "group": "g"}], "rows": [row | change]}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": []}, r"table\[0\]: row 'A' has 0 attributes and 0 values, the head of table 1 has 0 and 1"),
        ({"attributes": ["x"]}, r"row 'A' has 1 attributes and 1 values"),
        ({"values": ["1,5"]}, r"row 'A' of table 1 has value '1,5'"),
        ({"values": [1.5]}, r"table\[0\]\.rows\[0\]\.values\[0\] is 1\.5"),
    ],
)
def test_a_row_that_does_not_match_its_table_is_named(change, message):
    assert parse_record(Paper, table(), "file.toml").tables[0].rows[0].values == ("1.0",)
    with pytest.raises(ValueError, match=rf"file\.toml: .*{message}"):
        parse_record(Paper, table(**change), "file.toml")


def test_another_schema_is_refused():
    with pytest.raises(ValueError, match=r"file\.toml: schema is 'x': .*'hoibench/reported@2'"):
        parse_record(Paper, table() | {"schema": "x"}, "file.toml")
