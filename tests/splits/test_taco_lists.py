import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoibench.datasets.taco.download import triplet_folder
from splits.taco_lists import (
    FILES,
    OFFICIAL_PARTS,
    OFFICIAL_PARTS_FILE,
    OVERALL,
    WITHOUT_MARKERS,
    read_lists,
    read_parts,
    read_sequences,
)

WORD = st.sampled_from(["stir", "pour in some", "stir-fry", "glue gun", "a", "pan", "scrape off"])
KEY = st.builds("{:08d}_{:03d}".format, st.integers(0, 10**8 - 1), st.integers(0, 999))

SEQUENCES = "(stir, spoon, bowl) 20231002_001\n(pour in some, bowl, plate) 20231002_002\n"


@given(st.dictionaries(KEY, st.tuples(WORD, WORD, WORD), min_size=1, max_size=5))
def test_lists_round_trip(tmp_path_factory, triplets):
    path = tmp_path_factory.getbasetemp() / "list.txt"
    path.write_text("".join(f"{triplet_folder(triplet)} {key}\n" for key, triplet in triplets.items()))
    read = read_sequences(path)
    assert list(read.items()) == list(triplets.items())


def write(folder, **changes):
    texts = {
        OVERALL: SEQUENCES,
        WITHOUT_MARKERS: "(stir, spoon, bowl) 20231002_001\n",
        OFFICIAL_PARTS_FILE: "20231002_001,train\n20231002_002,test_4\n",
        **changes,
    }
    for name, text in texts.items():
        if text is not None:
            (folder / name).write_text(text)
    return folder


def test_the_three_lists(tmp_path):
    lists = read_lists(write(tmp_path))
    assert lists.triplets == {
        "20231002_001": ("spoon", "stir", "bowl"),
        "20231002_002": ("bowl", "pour in some", "plate"),
    }
    assert lists.marker_removed == {"20231002_001"}
    assert lists.parts == {"20231002_001": "train", "20231002_002": "test_4"}


def test_line_ends_of_other_systems_and_empty_lines_do_not_matter(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(SEQUENCES.replace("\n", "\r\n").encode() + b"\r\n\n")
    assert len(read_sequences(path)) == 2


@pytest.mark.parametrize(
    "line",
    ["(stir, spoon, bowl)", "20231002_003", "stir, spoon, bowl 20231002_003", "(stir, spoon, bowl) 20231002_03", "(stir, spoon, bowl),20231002_003"],
)  # fmt: skip
def test_an_invalid_line_is_named_by_file_and_number(tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text(SEQUENCES + line + "\n")
    with pytest.raises(ValueError) as caught:
        read_sequences(path)
    assert f"{path}, line 3 is {line!r}, expected (action, tool, target) YYYYMMDD_NNN" in str(caught.value)


@pytest.mark.parametrize("folder", ["(stir, spoon)", "(stir, spoon, bowl, pan)", "((stir, spoon, bowl))"])
def test_an_invalid_triplet_is_named_by_file_and_number(tmp_path, folder):
    path = tmp_path / "list.txt"
    path.write_text(f"\n{folder} 20231002_003\n")
    with pytest.raises(ValueError) as caught:
        read_sequences(path)
    assert f"{path}, line 2: {folder!r} is not a triplet" in str(caught.value)


@pytest.mark.parametrize("line", ["20231002_003,test_5", "20231002_003 train", "20231002_003,", "2023,train"])
def test_an_unknown_part_is_named(tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text(f"20231002_001,train\n{line}\n")
    with pytest.raises(ValueError, match="line 2 is .* one of train, test_1, test_2, test_3, test_4"):
        read_parts(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (OVERALL, SEQUENCES + "(cut, knife, plate) 20231002_001\n", "has duplicate key 20231002_001"),
        (OVERALL, "", "is empty"),
        (WITHOUT_MARKERS, "(stir, spoon, bowl) 20231002_009\n", r"has 20231002_009 as .*, but v1_overall.* as None"),
        (WITHOUT_MARKERS, "(stir, spoon, pan) 20231002_001\n", r"has 20231002_001 as \('spoon', 'stir', 'pan'\)"),
        (OFFICIAL_PARTS_FILE, "20231002_001,train\n", r"only one of .* has 20231002_002 \(1 such keys\)"),
    ],
)
def test_inconsistent_lists_are_an_error(tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        read_lists(write(tmp_path, **{name: text}))


@pytest.mark.parametrize("name", FILES)
def test_a_missing_or_binary_list_is_named(tmp_path, name):
    write(tmp_path, **{name: None})
    with pytest.raises(FileNotFoundError, match=rf"{name} is missing: download data_lists/"):
        read_lists(tmp_path)
    (tmp_path / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=f"{name} is not text"):
        read_lists(tmp_path)


@pytest.mark.field
def test_the_official_lists(field_data):
    lists = read_lists(field_data / "taco")
    assert (len(lists.triplets), len(lists.marker_removed), len(lists.parts)) == (2317, 2120, 2317)
    assert set(lists.parts.values()) == set(OFFICIAL_PARTS)
    assert len(read_sequences(field_data / "taco" / "v1_egocentric_data_available_sequences.txt")) == 2212


@pytest.mark.field
@pytest.mark.parametrize("name", [OVERALL, OFFICIAL_PARTS_FILE])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.999])
def test_a_truncated_official_list_is_detected(field_data, tmp_path, name, share):
    for other in FILES:
        data = (field_data / "taco" / other).read_bytes()
        (tmp_path / other).write_bytes(data[: int(len(data) * share)] if other == name else data)
    with pytest.raises(ValueError, match=name):
        read_lists(tmp_path)
