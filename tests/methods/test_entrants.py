"""The entrants of a run, with their presets and settings."""

import re

import pytest

from hoibench.methods.entrants import select_entrants
from hoibench.methods.registry import adapter_spec
from hoibench.methods.spec import Preset, Setting, Spec, parse_spec
from hoibench.plugins import UnknownName

MODEL = Spec(
    id="model",
    name="Model",
    entry="somewhere:Model",
    outputs=("video", "tracks"),
    presets={
        "small": Preset(title="small"),
        "video_only": Preset(
            title="video only", outputs=("video",), families=("i2v",), view_type="sv", pairing="anchor"
        ),
    },
    settings={
        "checkpoint": Setting(type="path", help="Its weights."),
        "steps": Setting(type="int", help="Of sampling.", default=50),
        "guidance": Setting(type="float", help="Of the text."),
        "tiled": Setting(type="flag", help="Decode in tiles."),
        "codec": Setting(type="text", help="Which.", choices=("linear", "wan")),
    },
)
OTHER = MODEL.model_copy(update={"id": "other", "presets": {}})
PLAIN = Spec(id="plain", entry="somewhere:Plain")
KNOWN = [MODEL, OTHER, PLAIN]


def select(*names, **options):
    return {entrant.key: entrant for entrant in select_entrants(names, built_in=KNOWN, **options)}


@pytest.fixture
def weights(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    return folders


def test_the_key_contains_the_preset():
    assert list(select("model", "plain")) == ["model+small", "plain"]
    assert list(select("model+video_only", "model")) == ["model+video_only", "model+small"]
    assert list(select("model", "model+small")) == ["model+small"]


def test_a_preset_changes_only_its_own_fields():
    small, video = select("model+small", "model+video_only").values()
    assert video.spec.outputs == ("video",) and video.spec.families == ("i2v",)
    assert (video.spec.view_type, video.spec.pairing) == ("sv", "anchor")
    assert small.spec.outputs == MODEL.outputs and small.spec.view_type == "mv"
    assert (small.spec.title, video.spec.title) == ("Model, small", "Model, video only")


def test_each_setting_goes_to_one_entrant(weights):
    one, two = weights
    entrants = select(
        "model+small", "model+video_only", "other",
        settings=[f"model+small.checkpoint={one}", f"model+video_only.checkpoint={two}", "other.steps=7", "other.steps=8"],
    )  # fmt: skip
    assert entrants["model+small"].settings == {"checkpoint": one, "steps": 50}
    assert entrants["model+video_only"].settings == {"checkpoint": two, "steps": 50}
    assert entrants["other"].settings == {"steps": 8}


def test_a_required_setting_is_given_or_a_presets():
    settings = {"checkpoint": Setting(type="text", help="Its weights.", required=True)}
    presets = {"small": Preset(title="small", settings={"checkpoint": "small"}), "large": Preset(title="large")}
    known = [MODEL.model_copy(update={"settings": settings, "presets": presets})]
    (small,) = select_entrants(["model"], built_in=known)
    (large,) = select_entrants(["model+large"], settings=["model+large.checkpoint=x"], built_in=known)
    assert (small.settings, large.settings) == ({"checkpoint": "small"}, {"checkpoint": "x"})
    with pytest.raises(ValueError, match=r"model\+large needs --set model\+large.checkpoint=TEXT: Its weights\."):
        select_entrants(["model", "model+large"], built_in=known)


def test_numbers_have_a_minimum():
    settings = {"steps": Setting(type="int", help="Of sampling.", minimum=1)}
    known = [PLAIN.model_copy(update={"settings": settings})]
    (entrant,) = select_entrants(["plain"], settings=["plain.steps=1"], built_in=known)
    assert entrant.settings == {"steps": 1}
    with pytest.raises(ValueError, match=r"--set plain\.steps=0: expected .*, at least 1$"):
        select_entrants(["plain"], settings=["plain.steps=0"], built_in=known)


def test_values_have_the_declared_type():
    (entrant,) = select("other", settings=["other.guidance=5", "other.tiled=false", "other.codec=wan"]).values()
    assert entrant.settings == {"steps": 50, "guidance": 5.0, "tiled": False, "codec": "wan"}
    assert isinstance(entrant.settings["guidance"], float)


def test_paths_are_absolute_and_must_exist(weights, monkeypatch):
    monkeypatch.chdir(weights[0].parent)
    assert select("other", settings=["other.checkpoint=one"])["other"].settings["checkpoint"] == weights[0]
    with pytest.raises(FileNotFoundError, match=r"--set other\.checkpoint=none: .*none does not exist"):
        select("other", settings=["other.checkpoint=none"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("other.step=7", "unknown setting of other 'step': did you mean steps?"),
        ("othr.steps=7", "unknown entrant of this run 'othr': did you mean other?"),
        ("other.steps=seven", "--set other.steps=seven: expected a whole number"),
        ("other.guidance=high", "--set other.guidance=high: expected a number"),
        ("other.tiled=maybe", "--set other.tiled=maybe: expected true or false"),
        ("other.codec=mp3", "--set other.codec=mp3: expected one of linear, wan"),
        ("other.steps", "write METHOD.KEY=VALUE"),
        ("steps=7", "write METHOD.KEY=VALUE"),
        ("other.guidance=nan", "--set other.guidance=nan: expected a number"),
        ("other.checkpoint=", "--set other.checkpoint=: expected a path"),
        ("plain.steps=7", "unknown setting of plain 'steps': there are none"),
        ("model.steps=7", "this run has model+small and model+video_only; name one of them"),
    ],
)
def test_errors_in_settings_name_setting_and_fix(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        select("model+small", "model+video_only", "other", "plain", settings=[text])


def test_settings_need_no_preset_if_a_method_has_one_entrant():
    assert select("model", settings=["model.steps=3"])["model+small"].settings["steps"] == 3


def test_the_checkpoint_flag_goes_to_the_only_entrant_with_that_setting(weights):
    assert select("model", "plain", checkpoint=weights[0])["model+small"].settings["checkpoint"] == weights[0]
    message = "fits model+small and other: use --set model+small.checkpoint=PATH or --set other.checkpoint=PATH"
    with pytest.raises(ValueError, match=re.escape(message)):
        select("model", "other", checkpoint=weights[0])
    both = {"settings": [f"other.checkpoint={weights[0]}"], "checkpoint": weights[1]}
    with pytest.raises(ValueError, match=r"--checkpoint .*two: --set gives other .*one; leave one of them out"):
        select("other", **both)
    same = {"settings": [f"other.checkpoint={weights[0]}"], "checkpoint": weights[0]}
    assert select("other", **same)["other"].settings["checkpoint"] == weights[0]
    with pytest.raises(ValueError, match="--checkpoint .*: no method of this run takes it; leave it out"):
        select("plain", checkpoint=weights[0])


def test_the_preset_flag_goes_to_the_only_method_with_presets():
    assert list(select("model", "plain", preset="video_only")) == ["model+video_only", "plain"]
    assert list(select("model+small", "model", preset="video_only")) == ["model+small", "model+video_only"]
    with pytest.raises(UnknownName, match="unknown preset of model 'smal': did you mean small"):
        select("model", preset="smal")
    with pytest.raises(ValueError, match="--preset small: no method of this run takes it; leave it out"):
        select("model+small", "plain", preset="small")
    both = [MODEL, MODEL.model_copy(update={"id": "second"})]
    with pytest.raises(
        ValueError, match=r"fits model and second: use --method model\+PRESET or --method second\+PRESET"
    ):
        select_entrants(["model", "second"], built_in=both, preset="small")


def test_unknown_names_give_the_nearest():
    with pytest.raises(UnknownName, match=r"unknown method 'modle': did you mean model\?"):
        select("modle")
    with pytest.raises(UnknownName, match="unknown preset of model 'smal': did you mean small"):
        select("model+smal")
    with pytest.raises(UnknownName, match="unknown preset of plain 'small': there are none"):
        select("plain+small")


def test_a_preset_has_defaults_of_settings(weights):
    table = MODEL.model_dump(exclude={"presets", "kind", "folder", "upstream"}, exclude_none=True)
    preset = {"title": "tiny", "settings": {"checkpoint": weights[0].name, "steps": 3}}
    spec = parse_spec("spec.toml", table | {"presets": {"tiny": preset}}, weights[0].parent)
    (entrant,) = select_entrants(["model"], built_in=[spec])
    assert entrant.settings == {"checkpoint": weights[0], "steps": 3}
    weights[0].rmdir()
    message = r"model\+tiny: the default of checkpoint: .*one does not exist: give model\+tiny\.checkpoint, or if it should be part"
    with pytest.raises(FileNotFoundError, match=message):
        select_entrants(["model"], built_in=[spec])
    (entrant,) = select_entrants(["model"], built_in=[spec], checkpoint=weights[1])
    assert entrant.settings["checkpoint"] == weights[1]
    with pytest.raises(ValueError, match="preset 'tiny' has a default of 'checkpoint', which is no setting of the"):
        Spec(id="a", presets=spec.presets)


def test_a_method_without_released_code_has_only_stored_predictions(tmp_path):
    spec = PLAIN.model_copy(update={"status": "unreleased", "entry": ""})
    (tmp_path / "view-0.mp4").touch()
    with pytest.raises(ValueError, match="plain: its code is not released; score predictions by plain=FOLDER"):
        select_entrants(["plain"], built_in=[spec])
    (entrant,) = select_entrants([f"plain={tmp_path}"], built_in=[spec])
    assert entrant.spec.folder == tmp_path


def test_stored_predictions_may_have_the_name_of_a_method(tmp_path):
    (tmp_path / "view-0.mp4").touch()
    spec = MODEL.model_copy(update={"families": ("v2v",), "view_type": "sv", "min_gpu_mb": 9000})
    names = (f"model={tmp_path}", "model+small")
    stored, small = select_entrants(names, built_in=[spec], settings=["model.steps=7"])
    assert (stored.key, stored.spec.title, stored.settings, stored.needed_gpu_mb) == ("model", "Model", {}, None)
    assert (stored.spec.families, stored.spec.view_type, stored.spec.outputs) == (("v2v",), "sv", ("video",))
    assert (small.key, small.settings["steps"], small.spec.outputs) == ("model+small", 7, ("video", "tracks"))
    with pytest.raises(ValueError, match="unknown setting of model 'steps': there are none"):
        select_entrants(names[:1], built_in=[spec], settings=["model.steps=7"])
    for names in (("plain", f"plain={tmp_path}"), (f"plain={tmp_path}", "plain")):
        with pytest.raises(ValueError, match="two rows of this run have the name plain: give stored predictions"):
            select(*names)


def test_selection_keeps_the_order_and_drops_repeats(tmp_path):
    (tmp_path / "view-0.mp4").touch()
    entrants = select("plain", f"mine={tmp_path}", "other", "plain")
    assert list(entrants) == ["plain", "mine", "other"]
    assert entrants["mine"].spec.folder == tmp_path
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "view-0.mp4").touch()
    with pytest.raises(ValueError, match="two rows of this run have the name mine"):
        select(f"mine={tmp_path}", f"mine={tmp_path / 'other'}")


ADAPTER = """
from hoibench.methods.method import Method
from hoibench.methods.spec import Preset, Spec

class Grey(Method):
    spec = Spec(id="grey", presets={"dark": Preset(title="dark"), "light": Preset(title="light")})

    def generate(self, request):
        return None
"""


def test_adapters_come_last_unless_named_and_may_have_a_preset(tmp_path):
    adapter = tmp_path / "grey.py"
    adapter.write_text(ADAPTER)
    both = [adapter_spec(f"{adapter}:Grey")]
    assert list(select("plain", adapters=both)) == ["plain", "grey+dark"]
    assert list(select("grey+light", "plain", adapters=both)) == ["grey+light", "plain"]
    twin = tmp_path / "twin.py"
    twin.write_text(ADAPTER)
    with pytest.raises(ValueError, match=r"twin\.py:Grey: the id 'grey' is already used by .*grey\.py:Grey"):
        select(adapters=[*both, adapter_spec(f"{twin}:Grey")])
    with pytest.raises(ValueError, match="the id 'grey' is already used by the benchmark"):
        select_entrants([], both, [Spec(id="grey", kind="reference")])
