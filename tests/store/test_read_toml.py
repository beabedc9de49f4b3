import pytest

from hoibench.store.records import Record, read_toml


class Size(Record):
    size: tuple[int, int]
    name: str = ""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "size.toml"


def test_a_toml_file_is_read_as_its_model(path):
    path.write_text('size = [480, 704]\nname = "größe"\n', encoding="utf-8")
    assert read_toml(Size, path) == Size(size=(480, 704), name="größe")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"size = [480", "is not TOML: "),
        (b"name = '\xff'", "is not TOML: "),
        (b"name = 'x'", ": the key 'size' is missing"),
        (b"size = [480.0, 704]", r": size\[0\] is 480.0: "),
        (b"size = [nan, 704]", r": size\[0\] is "),
        (b"size = 0x" + b"f" * 9999, " cannot be used: Exceeds the limit"),
        (b"size = " + b"[" * 5000, "is not TOML: "),
        (b"[" + b"a." * 2000 + b"a]", "has 2000 dots in a line, expected at most 200"),
        (
            b"[" + b".".join([b"a"] * 150) + b"]\nb" + b"={b" * 150 + b"=1" + b"}" * 150,
            "it is .*recursion limit exceeded",
        ),
        (b"#" * 70_000, "has 70000 bytes, expected at most 65536"),
        (b"siez = 3\nsize = [1, 2]", ": unknown key 'siez': did you mean 'size'?"),
    ],
)
def test_an_invalid_toml_file_is_named(path, data, message):
    path.write_bytes(data)
    with pytest.raises(ValueError, match=f"size.toml:? ?{message}"):
        read_toml(Size, path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        read_toml(Size, path)
