import dataclasses
import re
import tracemalloc
from dataclasses import replace

import pytest
from listed_clips import ListedClips

from hoibench.clip_entry import ClipEntry
from hoibench.datasets.base import Manifest
from hoibench.evaluation.config import RunConfig
from hoibench.evaluation.identity import differences
from hoibench.evaluation.plan import make_plan
from hoibench.evaluation.reference_predictions import frozen_self_entrant
from hoibench.evaluation.run_progress import RunProgress
from hoibench.exclusions import ExcludedClip, Exclusions
from hoibench.methods.method import Entrant
from hoibench.methods.spec import Spec
from hoibench.plugins import UnknownName

ENTRIES = tuple(
    ClipEntry(f"2023092{i}_001", ("hammer", "hit", "toy"), ("1", str(i)), ("a", "b", "c")) for i in range(9)
)


class Toy(ListedClips):
    entries = ENTRIES
    outputs: dict = {}

    def published(self):
        return self.outputs

    def published_digest(self, method):
        return f"digest of {method}"


class Videos(Toy):
    has_truth = False
    outputs = {"das": "DaS", "sv4d2": "SV4D 2.0"}


def plan(dataset=None, **settings):
    settings = {"dataset": "toy", "method": ("frozen",), "metrics": "rpe"} | settings
    return make_plan(RunConfig(**settings), dataset or Toy(), "cpu")


def test_reference_rows_are_added_once():
    ids = [entrant.key for entrant in plan().entrants]
    assert ids[0] == "frozen"
    assert set(ids) == {"frozen", "ground_truth", "gt_shuffled", "gt_noise_1cm", "gt_scaled_0.9", "random"}
    assert len(ids) == len(set(ids))


def test_published_methods_are_the_default_of_videos():
    assert [entrant.key for entrant in plan(Videos(), method=()).entrants] == ["published/das", "published/sv4d2"]
    held = plan(Videos(), method=("published/das", "frozen_self/published/das"))
    assert [entrant.key for entrant in held.entrants] == ["published/das", "frozen_self/published/das"]
    with pytest.raises(UnknownName, match="did you mean frozen_self/published/das"):
        plan(Videos(), method=("published/das", "frozen_self/published/sv4d2"))


def test_methods_are_followed_by_their_frozen_self_rows(tmp_path):
    (tmp_path / "view-0.mp4").touch()
    ids = [entrant.key for entrant in plan(method=(f"mine={tmp_path}",)).entrants]
    assert ids[:2] == ["mine", "frozen_self/mine"]


def test_frozen_self_rows_can_be_chosen(tmp_path):
    (tmp_path / "view-0.mp4").touch()
    methods = (f"mine={tmp_path}", f"other={tmp_path}")
    ids = [entrant.key for entrant in plan(method=(*methods, "frozen_self/other"), frozen_self=False).entrants]
    assert ids[:4] == ["mine", "other", "frozen_self/other", "ground_truth"]


def test_no_method_is_an_error():
    with pytest.raises(ValueError, match="--method is missing"):
        plan(method=())


def test_rows_that_do_not_depend_on_the_seed_have_one_seed():
    units = plan(seed=(0, 1, 2), limit=1).units
    count = {m: sum(u.method == m for u in units) for m in ("ground_truth", "frozen", "random", "gt_noise_1cm")}
    assert count == {"ground_truth": 1, "frozen": 1, "random": 3, "gt_noise_1cm": 3}


def test_limits_use_one_shuffle():
    small, large = plan(limit=3).entries, plan(limit=6).entries
    assert len(small) == 3
    assert set(small) < set(large)
    assert list(small) == sorted(small, key=lambda e: e.id)
    assert small != ENTRIES[:3]


def test_excluded_clips_are_left_out_of_the_same_sample_with_a_reason(tmp_path):
    path = exclude(tmp_path / "suspects.json", *(entry.id for entry in ENTRIES[1::2]))
    for limit in (None, 4):
        full, less = plan(limit=limit), plan(limit=limit, exclude=path)
        gone = [entry for entry in full.entries if entry in ENTRIES[1::2]]
        assert less.entries == tuple(entry for entry in full.entries if entry not in gone)
        assert less.clip_set_id != full.clip_set_id
        (reason,) = less.manifest.exclusion_summary
        assert reason.startswith(f"{len(gone)}: listed in suspects.json (")


def test_exclusions_are_part_of_the_identity_even_if_they_exclude_nothing(tmp_path):
    full, same = plan(), plan(exclude=exclude(tmp_path / "other.json", "20231102_070"))
    assert (same.entries, same.manifest) == (full.entries, full.manifest)
    assert "excluded" not in full.identity
    assert same.hash != full.hash


def test_exclusions_without_effect_are_warned_of(tmp_path):
    (warning,) = plan(exclude=exclude(tmp_path / "other.json", "20231102_070")).warnings
    assert re.fullmatch(r"--exclude other\.json \(\w+\) excludes none of the 9 clips of toy@1/demo", str(warning))
    assert plan(exclude=exclude(tmp_path / "one.json", ENTRIES[0].id)).warnings == ()


def test_excluding_all_clips_is_an_error(tmp_path):
    path = exclude(tmp_path / "all.json", *(entry.id for entry in ENTRIES))
    with pytest.raises(ValueError, match=r"--exclude all\.json .* excludes all 9 clips"):
        plan(exclude=path)
    with pytest.raises(ValueError, match=r"--exclude .*none\.json does not exist"):
        plan(exclude=tmp_path / "none.json")


def exclude(path, *ids):
    Exclusions(clips=tuple(ExcludedClip(id=id) for id in ids)).write(path)
    return path


def test_shards_divide_the_clips():
    parts = [plan(shard=f"{i}/4") for i in (1, 2, 3, 4)]
    keys = [unit.key for part in parts for unit in part.units]
    assert sorted(keys) == sorted(unit.key for unit in plan().units)
    assert len({part.hash for part in parts}) == 1


def test_a_million_units_take_less_than_two_gigabytes():
    """Memory grows with units, so 10^5 are enough; it must not grow with methods times units, nor time with methods squared."""
    entrants = tuple(Entrant(Spec(id=f"m{n}", entry="no:where", kind="method")) for n in range(10_000))
    frozen = tuple(frozen_self_entrant(entrant) for entrant in entrants)
    many = replace(plan(limit=5), entrants=(*entrants, *frozen))
    tracemalloc.start()
    assert len(many.units) == 100_000
    progress = RunProgress(many.units, None)
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert progress and size * 10 < 1e9


def test_the_hash_changes_with_settings_that_change_values():
    base = plan()
    assert plan(workers=7, max_failures="3", unit_timeout=9.0).hash == base.hash
    for change in ({"limit": 2}, {"seed": (1,)}, {"metrics": "pi"}, {"method": ("random",)}, {"precision": "bf16"}):
        assert plan(**change).hash != base.hash, change
    assert base.out.name == f"toy-demo-{base.hash[:8]}"


def test_the_hash_changes_with_fields_of_a_spec_that_change_values(tmp_path):
    def declared(text):
        (tmp_path / "spec.toml").write_text(f'id = "mine"\n{text}\n')
        return plan(method=(f"mine={tmp_path}",)).hash

    plain = declared("")
    decides = ('families = ["v2v"]', 'view_type = "sv"', 'outputs = ["tracks"]', 'pairing = "query"', 'scale = "shared"',
               'weights = ["aliked-n16"]', 'regions = ["fg"]')  # fmt: skip
    assert len({plain, *map(declared, decides)}) == 1 + len(decides)
    assert declared('name = "Mine"') == declared('paper = "https://example.org"') == plain


def test_differences_give_names():
    lines = differences(plan().identity, plan(metrics="rpe,pi", seed=(1,), limit=2).identity)
    assert any(line == "metrics: with pi@1" for line in lines)
    assert "seeds: without 0; with 1" in lines
    assert any(line.startswith("clip_set_id: ") for line in lines)
    assert differences(plan().identity, plan().identity) == []


def test_unknown_names_give_the_nearest():
    with pytest.raises(UnknownName, match="did you mean demo"):
        plan(split="dmeo")
    with pytest.raises(UnknownName, match="did you mean rpe@2"):
        plan(metrics="rpe@9")
    with pytest.raises(UnknownName, match="unknown method"):
        plan(method=("frosen",))


def test_paths_of_units(tmp_path):
    unit = plan(limit=1).units[0]
    assert unit.key == f"frozen/seed-0/{unit.clip}"
    assert dataclasses.replace(unit, preset="nano").key.startswith("frozen+nano/seed-0/")
    assert unit.score_file(tmp_path) == tmp_path / "scores" / "frozen" / "seed-0" / f"{unit.clip}.jsonl"


class Taped(Toy):
    """A data set of which one recording is too short."""

    def manifest(self, split):
        manifest = super().manifest(split)
        return replace(manifest, entries=manifest.entries[1:], left_out={manifest.entries[0].id: "90 of 181 frames"})

    def padded_manifest(self, split):
        manifest = super().manifest(split)
        short = replace(manifest.entries[0], valid_frames=24)
        return Manifest(f"{manifest.split}+pad", "ba9876543210", (short, *manifest.entries[1:]))


def test_dropped_and_padded_recordings_give_different_clip_sets():
    dropped, padded = plan(Taped()), plan(Taped(), short="pad")
    assert len(padded.entries) == len(dropped.entries) + 1
    assert padded.manifest.split_id != dropped.manifest.split_id
    assert len({dropped.clip_set_id, padded.clip_set_id, plan().clip_set_id}) == 3
    with pytest.raises(ValueError, match="toy has no short sequences"):
        plan(Toy(), short="pad")


def test_a_split_without_clips_gives_the_reason():
    class Empty(Taped):
        def manifest(self, split):
            return replace(super().manifest(split), entries=())

    with pytest.raises(ValueError, match="has no clip to score \\(1: 90 of 181 frames\\)"):
        plan(Empty())


def test_the_clip_set_id_changes_with_the_truth():
    class Remade(Toy):
        def manifest(self, split):
            return replace(super().manifest(split), truth_id="other")

    assert plan(Remade()).clip_set_id != plan().clip_set_id
