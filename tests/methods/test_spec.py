import pytest

from hoibench.methods.method import Entrant
from hoibench.methods.spec import Preset, Spec, parse_spec


def test_a_spec_from_toml():
    spec = parse_spec(
        "x/spec.toml", {"id": "wan", "entry": "a:B", "families": ["i2v"], "outputs": ["video"], "name": "WAN"}
    )
    assert spec.families == ("i2v",)
    assert spec.title == "WAN"
    assert spec.privileges == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"entry": "a:B"}, "the key 'id' is missing"),
        ({"id": "a", "enrty": "a:B"}, "unknown key 'enrty'"),
        ({"id": "a", "kind": "reference"}, "unknown key 'kind'"),
        ({"id": "a", "families": ["i2x"]}, "families[0] is 'i2x': input should be 'i2v', 'i2vm'"),
        ({"id": "a", "scale": "affine"}, "scale is 'affine': input should be 'metric'"),
        ({"id": 5}, "id is 5: input should be a valid string"),
        ({"id": "a", "name": 3}, "name is 3: input should be a valid string"),
        ({"id": "a", "preset": {}}, "unknown key 'preset': did you mean 'presets'?"),
        ({"id": "a", "presets": {"a+b": {"title": "x"}}}, "'a+b' is not a preset name"),
        ({"id": "a", "settings": {"Up": {"type": "path", "help": "x"}}}, "'Up' is not a setting's name"),
        ({"id": "a", "settings": {"up": {"type": "folder", "help": "x"}}}, "settings.up.type is 'folder'"),
        ({"id": "a", "upstream": {"repository": "x", "commit": "y"}}, "the key 'upstream.licence' is missing"),
        ({"id": "a", "name": "x" * 501}, "at most 500 characters"),
        ({"id": "a", "name": "\x1b[31m"}, "is not printable text"),
        ({"id": "a", "name": "\ud800"}, "unexpected end of hex escape"),
        ({"id": "a" * 101}, "at most 100 letters"),
        ({"id": "a", "outputs": "tracks"}, "outputs is 'tracks': input should be a valid"),
        ({"id": "../a"}, "is not a folder name"),
        ({"id": "/a"}, "is not a folder name"),
        ({"id": "a//b"}, "is not a folder name"),
    ],
)
def test_errors_name_file_key_and_value(table, message):
    with pytest.raises(ValueError, match="x/spec.toml") as caught:
        parse_spec("x/spec.toml", table)
    assert message in str(caught.value)


def test_privileges_are_declared():
    spec = Spec(id="a", families=("v2v", "vto4r"), outputs=("tracks",), pairing="query")
    assert spec.privileges == ("source view", "target videos", "query anchors")


def test_a_preset_may_have_another_scale():
    presets = {"points": Preset(title="points"), "shifted": Preset(title="shifted", scale="scale_shift")}
    spec = Spec(id="a", outputs=("points",), scale="per_view", presets=presets)
    assert [spec.with_preset(name).scale for name in presets] == ["per_view", "scale_shift"]


@pytest.mark.parametrize(("settings", "needed"), [({}, 9000), ({"min_gpu_mb": 500}, 500), ({"min_gpu_mb": 0}, None)])
def test_the_setting_min_gpu_mb_comes_before_the_spec(settings, needed):
    assert Entrant(Spec(id="a", min_gpu_mb=9000), settings=settings).needed_gpu_mb == needed
