import pytest

from hoibench.datasets.taco.doctor.calibration_reviews import CalibrationReview, read_reviews

HEAD = "sequence_id,action,tool,object,triplet,n_frames,calib_status,calib_bad_cams,calib_reviewed\n"
ROWS = (
    '"(pour in some, bowl, plate)/20230927_017",pour in some,bowl,plate,"(pour in some, bowl, plate)",198,good,,True\n'
    '"(stir, spoon, pan)/20230927_012",stir,spoon,pan,"(stir, spoon, pan)",90,bad_calib,22139905; 22139910,True\n'
)


def test_reviews_by_key(tmp_path):
    path = tmp_path / "taco_info.csv"
    for text in (HEAD + ROWS, "\ufeff" + (HEAD + ROWS).replace("\n", "\r\n")):
        path.write_bytes(text.encode())
        assert read_reviews(path) == {
            "20230927_017": CalibrationReview("good", ()),
            "20230927_012": CalibrationReview("bad_calib", ("22139905", "22139910")),
        }


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no column sequence_id, calib_status, calib_bad_cams"),
        (b"sequence_id,calib_status\n", "has no column calib_bad_cams"),
        ((HEAD + ROWS + "x,y\n").encode(), "line 4 is truncated"),
        (b"\xff\xfe" + HEAD.encode(), "is not a CSV file"),
        (HEAD.encode() + b'"' + b"x" * 200_000, "is not a CSV file"),
    ],
)
def test_a_damaged_table_is_named_with_the_fix(tmp_path, data, message):
    path = tmp_path / "taco_info.csv"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        read_reviews(path)
    assert str(path) in str(caught.value)
    assert "delete it" in str(caught.value)
