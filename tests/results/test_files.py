"""Score files and results.parquet: round trips, and messages that name an invalid file."""

import json
import logging
import math

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoibench.results.result_row import COLUMNS, ResultRow
from hoibench.results.results_file import SCHEMA, read_headlines, read_rows, write_rows, write_sorted_rows
from hoibench.results.score_file import append_finished, append_metric, read_finished, read_scores


def a_row(**change):
    table = dict.fromkeys(COLUMNS[:21])
    table |= {
        "method": "frozen",
        "clip": "20230927_001",
        "split": "synthetic@2/demo",
        "clip_set_id": "0" * 12,
        "seed": 0,
    }
    table |= {
        "metric": "rpe@1",
        "region": "full",
        "value": 1.5,
        "status": "ok",
        "unit": "%",
        "scale": 1.0,
        "n_scored": 3,
    }
    return ResultRow(**(table | change))


numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.one_of(
    numbers.map(lambda value: {"value": value}),
    st.sampled_from(["failed", "error", "unavailable", "undefined"]).map(
        lambda s: {"value": None, "status": s, "reason": "why, “so”\n"}
    ),
)
grains = st.fixed_dictionaries(
    {
        "metric": st.sampled_from(["rpe@1", "pi@1", "matching_pixels/sift-mnn@1"]),
        "preset": st.none() | st.just("small"),
        "seed": st.integers(0, 3),
        "view": st.none() | st.text(max_size=5),
        "frame": st.none() | st.integers(0, 49),
        "coverage": st.none() | numbers,
        "details": st.dictionaries(st.text(max_size=4), numbers | st.text(max_size=4), max_size=2),
    }
)
rows = st.lists(st.builds(lambda value, grain: a_row(**value, **grain), values, grains), max_size=12)


def by_metric(some):
    return {
        metric: [row for row in some if row.metric == metric] for metric in dict.fromkeys(row.metric for row in some)
    }


@settings(max_examples=60, deadline=None)
@given(rows)
def test_scores_read_back_as_appended(tmp_path_factory, some):
    folder = tmp_path_factory.mktemp("scores")
    scores = by_metric(some)
    for metric, group in scores.items():
        append_metric(folder / "a.jsonl", metric, group)
    if scores:
        assert read_scores(folder / "a.jsonl") == scores


def test_a_metric_scored_twice_has_its_last_rows(tmp_path):
    append_metric(tmp_path / "c.jsonl", "rpe@1", [a_row(value=1.0)])
    append_metric(tmp_path / "c.jsonl", "rpe@1", [a_row(value=2.0)])
    assert [row.value for row in read_scores(tmp_path / "c.jsonl")["rpe@1"]] == [2.0]


def test_a_partial_line_is_ignored_with_a_warning_and_removed_by_the_next_append(tmp_path, caplog):
    path = tmp_path / "c.jsonl"
    append_metric(path, "rpe@1", [a_row()])
    size = path.stat().st_size
    append_metric(path, "pi@1", [a_row(metric="pi@1")])
    content = path.read_bytes()
    for cut in range(size + 1, len(content)):
        path.write_bytes(content[:cut])
        with caplog.at_level(logging.WARNING):
            assert list(read_scores(path)) == ["rpe@1"]
        assert "partial last line" in caplog.text
        caplog.clear()
    append_metric(path, "chamfer@1", [a_row(metric="chamfer@1")])
    assert list(read_scores(path)) == ["rpe@1", "chamfer@1"]


INVALID = [
    "not json",
    "[]",
    '{"metric": "rpe@1"}',
    '{"metric": "rpe@1", "rows": [{}]}',
    '{"metric": "rpe@1", "rows": [NaN]}',
    "",
]


@pytest.mark.parametrize("line", [*INVALID, '{"metric": "rpe@1", "rows": 3}'])
def test_an_invalid_complete_line_is_refused_with_file_and_line(tmp_path, line):
    path = tmp_path / "c.jsonl"
    append_metric(path, "rpe@1", [a_row()])
    path.write_text(path.read_text() + line + "\n" + path.read_text())
    with pytest.raises(ValueError, match=r"c\.jsonl:2\b.*delete the file"):
        read_scores(path)


@pytest.mark.parametrize(
    "change",
    [
        {"value": math.nan},
        {"value": None},
        {"status": "failed"},
        {"details": {"ratio": math.nan}},
        {"details": {"a": [1, {"b": math.inf}]}},
        {"coverage": math.inf},
        {"seed": "0"},
        {"frame": 1.5},
    ],
)
def test_a_contradictory_row_or_one_that_is_not_strict_json_is_refused(tmp_path, change):
    with pytest.raises(ValueError):
        a_row(**change)
    path = tmp_path / "c.jsonl"
    line = {"metric": "rpe@1", "rows": [a_row().to_json() | change]}
    path.write_text(json.dumps(line) + "\n")
    with pytest.raises(ValueError, match=r"c\.jsonl:1"):
        read_scores(path)


def test_rows_of_another_prediction_are_refused_with_file_and_line(tmp_path):
    path = tmp_path / "c.jsonl"
    append_metric(path, "pi@1", [a_row(metric="pi@1")])
    append_metric(path, "rpe@1", [a_row(), a_row(seed=3)])
    unit = {"method": "frozen", "preset": None, "clip": "20230927_001", "seed": 0}
    with pytest.raises(ValueError, match=r"c\.jsonl:2: a row has seed 3, expected 0; delete the file"):
        read_scores(path, unit)
    with pytest.raises(ValueError, match=r"c\.jsonl:1: a row has method 'frozen', expected 'mine'"):
        read_scores(path, unit | {"method": "mine"})


def test_rows_of_another_metric_leave_the_file_unchanged(tmp_path):
    path = tmp_path / "c.jsonl"
    append_metric(path, "rpe@1", [a_row()])
    before = path.read_bytes()
    with pytest.raises(ValueError, match="pi@1"):
        append_metric(path, "pi@1", [a_row()])
    assert path.read_bytes() == before


@settings(max_examples=60, deadline=None)
@given(rows, st.randoms())
def test_parquet_has_every_value_and_does_not_depend_on_the_order_of_writing(tmp_path_factory, some, random):
    folder = tmp_path_factory.mktemp("parquet")
    write_rows(folder / "a.parquet", some)
    table = pq.read_table(folder / "a.parquet").to_pylist()
    key = json.dumps
    assert sorted(table, key=key) == sorted((row.to_parquet() for row in some), key=key)
    distinct = {
        tuple(str(getattr(row, c)) for c in COLUMNS[:12]): row for row in some
    }  # no two rows of the same part of a clip, as in a run
    shuffled = list(distinct.values())
    write_rows(folder / "b.parquet", shuffled)
    random.shuffle(shuffled)
    write_rows(folder / "c.parquet", shuffled)
    assert (folder / "b.parquet").read_bytes() == (folder / "c.parquet").read_bytes()


def test_rows_in_order_give_the_same_table_in_parts(tmp_path, monkeypatch):
    groups = [
        [a_row(method=method, preset=preset, seed=seed, metric=metric) for metric in ("rpe@1", "pi@1")]
        for method, preset in (("a", None), ("a", "x"), ("b", None))
        for seed in (0, 2, 10)
    ]
    rows = [row for group in groups for row in group]
    write_rows(tmp_path / "at_once.parquet", rows)
    for size in (1, 5, 100):
        monkeypatch.setattr("hoibench.results.results_file.ROWS_AT_ONCE", size)
        write_sorted_rows(tmp_path / "parts.parquet", groups)
        assert pq.read_table(tmp_path / "parts.parquet").equals(pq.read_table(tmp_path / "at_once.parquet"))
    write_sorted_rows(tmp_path / "none.parquet", [])
    assert len(read_rows(tmp_path / "none.parquet")) == 0


def test_headlines_take_little_memory_and_have_the_values_of_all_rows(tmp_path):
    count = 5000
    write_rows(tmp_path / "r.parquet", [a_row(seed=n, prediction=f"{n % 50:016x}") for n in range(count)])
    headlines, rows = read_headlines(tmp_path / "r.parquet"), read_rows(tmp_path / "r.parquet")
    pd.testing.assert_frame_equal(headlines.astype(rows[headlines.columns].dtypes), rows[headlines.columns])
    assert headlines.memory_usage(deep=True).sum() < 150 * count


def test_a_score_file_tells_at_its_end_that_it_is_complete(tmp_path):
    path = tmp_path / "c.jsonl"
    assert read_finished(path) == frozenset()
    append_metric(path, "rpe@1", [a_row()])
    assert read_finished(path) == frozenset()
    append_finished(path, ["rpe@1", "pi@1"])
    complete = path.read_bytes()
    assert read_finished(path) == {"rpe@1", "pi@1"} and list(read_scores(path)) == ["rpe@1"]
    for changed in (complete[:-1], complete[:-5], complete[3:], b"{]\n" + complete, complete + b'{"metric'):
        path.write_bytes(changed)
        assert read_finished(path) == frozenset()
    path.write_bytes(complete[:-5])
    append_metric(path, "pi@1", [a_row(metric="pi@1")])
    assert read_finished(path) == frozenset() and list(read_scores(path)) == ["rpe@1", "pi@1"]


def test_csv_has_the_rows_of_parquet(tmp_path):
    rows = [a_row(), a_row(seed=2, value=None, status="failed", reason='a, "b"'), a_row(seed=1, details={"ratio": 0.5})]
    for name in ("r.csv", "r.parquet"):
        write_rows(tmp_path / name, rows)
    table, expected = pd.read_csv(tmp_path / "r.csv"), read_rows(tmp_path / "r.parquet")
    assert list(table.columns) == list(COLUMNS) and table["seed"].tolist() == [0, 1, 2]
    assert table["details"].tolist() == expected["details"].tolist() and table["reason"][2] == 'a, "b"'


def test_missing_values_are_null_and_read_as_na(tmp_path):
    write_rows(
        tmp_path / "r.parquet",
        [a_row(), a_row(metric="pi@1", value=None, status="undefined", reason="none visible", n_scored=None)],
    )
    assert pq.read_table(tmp_path / "r.parquet")["value"].null_count == 1
    frame = read_rows(tmp_path / "r.parquet").set_index("metric")
    assert {*frame.columns, "metric"} == set(COLUMNS)
    assert (
        frame.loc["pi@1", "value"] is pd.NA
        and frame.loc["pi@1", "n_scored"] is pd.NA
        and frame.loc["rpe@1", "preset"] is pd.NA
    )
    assert frame["value"].dtype == pd.Float64Dtype() and frame["n_scored"].dtype == pd.Int64Dtype()


def test_headlines_exclude_the_parts_of_a_clip(tmp_path):
    parts = [{"view": "left"}, {"pair": "left|right"}, {"frame": 3}, {"part": "tool"}]
    write_rows(tmp_path / "r.parquet", [a_row(value=9.0), *(a_row(**part) for part in parts)])
    assert read_headlines(tmp_path / "r.parquet")["value"].tolist() == [9.0]


def test_an_empty_run_has_an_empty_typed_table(tmp_path):
    write_rows(tmp_path / "r.parquet", [])
    assert len(read_rows(tmp_path / "r.parquet")) == 0
    assert pq.read_schema(tmp_path / "r.parquet").equals(SCHEMA)


def test_another_schema_and_numbers_that_are_not_finite_are_refused(tmp_path):
    write_rows(tmp_path / "rows.parquet", [a_row()])
    table = pq.read_table(tmp_path / "rows.parquet")
    pq.write_table(table.replace_schema_metadata({"hoibench": "results@4"}), tmp_path / "old.parquet")
    with pytest.raises(
        ValueError, match=r"old\.parquet has the schema results@4, expected results@\d+; .hoibench score"
    ):
        read_rows(tmp_path / "old.parquet")
    for number in (math.nan, math.inf):
        values = pa.array([number], pa.float64())
        place = table.schema.get_field_index("value")
        pq.write_table(table.set_column(place, "value", values), tmp_path / "nan.parquet")
        with pytest.raises(ValueError, match=r"nan\.parquet: column 'value' has NaN or infinity"):
            read_headlines(tmp_path / "nan.parquet")


def test_missing_and_invalid_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.parquet.*merge"):
        read_rows(tmp_path / "gone.parquet")
    (tmp_path / "text.parquet").write_text("value\n1\n")
    with pytest.raises(ValueError, match=r"text\.parquet is not a valid Parquet file"):
        read_rows(tmp_path / "text.parquet")
    write_rows(tmp_path / "cut.parquet", [a_row()])
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"cut\.parquet is not a valid Parquet file"):
        read_rows(tmp_path / "cut.parquet")
    pq.write_table(pa.table({"value": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet is not a results file.*clip"):
        read_rows(tmp_path / "other.parquet")
    wrong = pa.table({c: pa.array(["x"]) for c in COLUMNS})
    pq.write_table(wrong, tmp_path / "wrong.parquet")
    with pytest.raises(ValueError, match=r"wrong\.parquet: column 'seed' is string, expected int64"):
        read_rows(tmp_path / "wrong.parquet")
