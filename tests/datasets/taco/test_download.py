import re
import shutil

import pytest
import taco_faults
from taco_tree import FOUR, HIT, MEASURE, POUR, TWELVE

from hoibench.datasets.taco.download import (
    CAMERAS,
    EGO_RGB,
    HANDS,
    MARKER_REMOVED,
    POSES,
    RGB,
    TacoDownload,
    TacoSequence,
    parse_triplet,
    triplet_folder,
)


@pytest.mark.parametrize(
    ("folder", "triplet"),
    [
        ("(stir, spoon, bowl)", ("spoon", "stir", "bowl")),
        ("(pour in some, bowl, plate)", ("bowl", "pour in some", "plate")),
        ("(smear, glue gun, box)", ("glue gun", "smear", "box")),
        ("(stir-fry, spatula, pan)", ("spatula", "stir-fry", "pan")),
    ],
)
def test_folders_name_action_tool_target_and_triplets_tool_action_target(folder, triplet):
    assert parse_triplet(folder) == triplet
    assert triplet_folder(triplet) == folder


@pytest.mark.parametrize("folder", ["stir, spoon, bowl", "(stir, spoon)", "()", ""])
def test_a_folder_that_is_not_a_triplet_is_an_error(folder):
    with pytest.raises(ValueError, match="is not a triplet"):
        parse_triplet(folder)


@pytest.mark.field
def test_every_triplet_of_taco_is_read_and_written_back(field_data):
    lines = (field_data / "taco" / "v1_overall_data_sequences.txt").read_text().splitlines()
    folders = {line.rpartition(" ")[0] for line in lines if line.strip()}
    assert len(folders) == 151
    assert {triplet_folder(parse_triplet(folder)) for folder in folders} == folders


def test_sequences_are_found(written):
    tree = TacoDownload(written.root)
    assert list(tree.sequences) == [written.key]
    sequence = tree.sequence(written.key)
    assert sequence.triplet == ("spoon", "stir", "bowl")
    assert len(sequence.videos()) == 4
    assert tree.hand_model == "hoibench-proxy"


def test_the_default_hand_model_is_mano(tmp_path):
    (tmp_path / "Object_Poses").mkdir()
    assert TacoDownload(tmp_path).hand_model == "mano"


def test_a_hand_model_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "Object_Poses").mkdir()
    (tmp_path / "hand_model.txt").write_bytes(b"\xff\xfe\x82")
    with pytest.raises(ValueError, match=r"hand_model\.txt is not text"):
        _ = TacoDownload(tmp_path).hand_model


def test_models_are_found_under_the_name_inside_the_released_zip_too(written, tmp_path):
    shutil.copytree(written.root / "Object_Models", tmp_path / "object_models_released")
    (tmp_path / "Object_Poses").mkdir()
    object_id = written.scene.tool.id
    assert TacoDownload(tmp_path).mesh(object_id).parent.name == "object_models_released"
    with pytest.raises(FileNotFoundError, match=r"999_cm\.obj is missing: download Object_Models\.zip"):
        TacoDownload(tmp_path).mesh("999")


def test_missing_files_are_named_with_their_zips(written, tmp_path):
    with pytest.raises(FileNotFoundError, match="is not a folder"):
        TacoDownload(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="has no Object_Poses"):
        TacoDownload(tmp_path)
    with pytest.raises(FileNotFoundError, match="no sequence 20990101_001 \\(number of others: 1\\)"):
        TacoDownload(written.root).sequence("20990101_001")
    with pytest.raises(FileNotFoundError, match=r"1234\.mp4 is missing \(existing cameras: 22139909, .*download"):
        written.recording.sequence.video("1234")
    with pytest.raises(FileNotFoundError, match=r"no tool_<id>\.npy: download Object_Poses\.zip"):
        TacoSequence(tmp_path, ("a", "b", "c"), "20990101_001").find_object_pose("tool")


def test_an_existing_zip_is_to_be_unpacked_not_downloaded(taco_copy):
    serial = FOUR[0]
    path = taco_faults.zip_camera(taco_copy, serial)
    with pytest.raises(FileNotFoundError, match=re.escape(f"unpack {path}")):
        taco_copy.sequence(HIT.key).video(serial)
    path = taco_faults.zip_modality(taco_copy, "Object_Poses")
    with pytest.raises(FileNotFoundError, match=re.escape(f"unpack {path}")):
        TacoDownload(taco_copy.root)


@pytest.mark.parametrize("modality", [RGB, MARKER_REMOVED, CAMERAS, HANDS, POSES, EGO_RGB])
def test_a_zip_unpacked_into_a_folder_of_its_own_name_is_read(taco, taco_copy, modality):
    inner = taco_faults.nest(taco_copy, modality)
    assert list(TacoDownload(taco_copy.root).sequences) == list(taco.download.sequences)
    for key in (POUR.key, MEASURE.key):
        folder = taco_copy.download.sequence(key).folder(modality)
        assert folder.is_relative_to(inner)
        assert sorted(path.name for path in folder.iterdir()) == sorted(
            path.name for path in taco.sequence(key).folder(modality).iterdir()
        )


@pytest.mark.parametrize(
    "place", ["Object_Models", "Object_Models/object_models_released", "Object_Models/Object_Models"]
)
def test_models_are_found_wherever_the_zip_puts_them(taco_copy, place):
    (taco_copy.root / place).parent.mkdir(exist_ok=True)
    (taco_copy.root / "object_models_released").rename(taco_copy.root / place)
    tool = taco_copy.written[POUR.key].scene.tool.id
    assert taco_copy.download.mesh(tool) == taco_copy.root / place / f"{tool}_cm.obj"


def test_files_of_macos_are_ignored(taco_copy):
    sequence = taco_copy.sequence(POUR.key)
    (sequence.folder(RGB) / f"._{FOUR[0]}.mp4").touch()
    (sequence.folder(POSES).parent / ".DS_Store").touch()
    (taco_copy.root / POSES / "(no triplet)" / "20230927_001").mkdir(parents=True)
    assert set(sequence.videos()) == set(TWELVE)
    assert set(taco_copy.download.sequences) == set(taco_copy.written)


def test_an_object_id_has_three_digits(tmp_path):
    sequence = TacoSequence(tmp_path, ("a", "b", "c"), "20990101_001")
    sequence.folder(POSES).mkdir(parents=True)
    (sequence.folder(POSES) / "tool_bowl.npy").touch()
    with pytest.raises(ValueError, match=r"tool_bowl\.npy names object 'bowl', expected an id of three digits"):
        sequence.find_object_pose("tool")


def test_two_pose_files_of_one_role_are_an_error(tmp_path):
    sequence = TacoSequence(tmp_path, ("a", "b", "c"), "20990101_001")
    folder = sequence.folder("Object_Poses")
    folder.mkdir(parents=True)
    for name in ("tool_001.npy", "tool_002.npy"):
        (folder / name).touch()
    with pytest.raises(ValueError, match="has 2 files"):
        sequence.find_object_pose("tool")
