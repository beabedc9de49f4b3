"""Training data: a function of seed, iteration and rank; each clip once per epoch, one view of each cluster."""

import dataclasses
import hashlib
from collections import Counter

import pytest
import torch
from tiny_training import PROMPT, TINY, view_of, write_cache

from hoibench.clip import CLUSTERS
from hoibench.store.verified_folder import CorruptFolder
from reference_model.cache import LatentCache
from reference_model.cache.latent_cache import write_text, write_view
from reference_model.config import with_mjd
from reference_model.loading.text_table import unknown_prompt
from reference_model.training.data import TrainingData


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"), clips=4, views=2)


def equal(one, other):
    pairs = zip((*one, *one.cameras), (*other, *other.cameras), strict=True)
    return all(torch.equal(*pair) for pair in pairs if isinstance(pair[0], torch.Tensor))


def test_a_batch_is_a_function_of_seed_iteration_and_rank(cache):
    data, again = (TrainingData(cache, TINY, seed=5) for _ in range(2))
    data.load_batch(3, 1, 0, 2)  # earlier calls have no effect
    assert equal(data.load_batch(7, 2, 1, 2).batch, again.load_batch(7, 2, 1, 2).batch)


@pytest.mark.parametrize("other", [(5, 8, 1), (5, 7, 0), (6, 7, 1)])
def test_another_seed_iteration_or_rank_is_another_batch(cache, other):
    seed, iteration, rank = other
    one = TrainingData(cache, TINY, seed=5).choose_samples(7, 2, 1, 2)
    assert TrainingData(cache, TINY, seed=seed).choose_samples(iteration, 2, rank, 2) != one


def test_ranks_share_the_samples_of_an_iteration(cache):
    """Two processes with batch size 1 take the same samples as one with batch size 2."""
    data = TrainingData(cache, TINY, seed=0)
    for iteration in range(6):
        parts = [data.choose_samples(iteration, 1, rank, 2) for rank in range(2)]
        assert parts[0] + parts[1] == data.choose_samples(iteration, 2, 0, 1)
        assert parts[0][0].clip != parts[1][0].clip


def test_each_epoch_is_another_permutation_of_the_clips(cache):
    data = TrainingData(cache, TINY, seed=0)
    epochs = [[data.choose_samples(4 * epoch + i, 1, 0, 1)[0].clip for i in range(4)] for epoch in range(6)]
    assert all(sorted(epoch) == sorted(cache.clips) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_one_view_of_each_cluster_is_drawn_and_eventually_all(cache):
    data = TrainingData(cache, TINY, seed=0)
    chosen = Counter(view for i in range(60) for view in data.choose_samples(i, 1, 0, 1)[0].views)
    assert chosen.keys() == {f"{cluster}{number}" for cluster in CLUSTERS for number in range(2)}
    choice = data.choose_samples(0, 1, 0, 1)[0]
    assert [view[:-1] for view in choice.views] == list(CLUSTERS)


def test_only_points_are_padded(cache):
    """12, 9 and 10 points: padded to 12."""
    data = TrainingData(cache, TINY, seed=0)
    batch = data.load_batch(0, 1, 0, 1).batch
    choice = data.choose_samples(0, 1, 0, 1)[0]
    assert batch.point_mask.sum(-1).tolist() == [[12, 9, 10]]
    for index, view in enumerate(choice.views):
        stored = cache.load(choice.clip, view)
        count = len(stored.anchors)
        for name in ("z_video", "z_motion", "s"):
            assert torch.equal(getattr(batch, name)[0, index], getattr(stored, name))
        assert torch.equal(batch.world[0, index, :, :count], stored.world)
        assert torch.equal(batch.anchors[0, index, :count], stored.anchors)
        assert not batch.world[0, index, :, count:].any() and batch.point_mask[0, index, :count].all()
        assert torch.equal(batch.cameras.K[0, index], stored.K) and torch.equal(batch.cameras.R[0, index], stored.R)
        assert torch.equal(batch.cameras.t[0, index], stored.t)
    assert batch.cameras.size == (TINY.height, TINY.width)


def test_prompts_are_dropped_at_the_configured_rate(cache):
    always, never = (
        TrainingData(cache, dataclasses.replace(TINY, cycle=dataclasses.replace(TINY.cycle, text_dropout=p)), seed=0)
        for p in (1.0, 0.0)
    )
    assert torch.equal(always.load_batch(0, 1, 0, 1).batch.text[0], cache.text(""))
    assert torch.equal(never.load_batch(0, 1, 0, 1).batch.text[0], cache.text(PROMPT))
    dropped = sum(c.drop_prompt for c in TrainingData(cache, TINY, seed=0).choose_samples(0, 2000, 0, 1))
    assert 140 <= dropped <= 260  # 10 % of 2000, 4.5 standard deviations either way


def with_dropout(**shares):
    """Return TINY with other shares of dropped prompts and words."""
    return dataclasses.replace(TINY, cycle=dataclasses.replace(TINY.cycle, **shares))


def test_words_become_unknown_at_the_configured_rate(tmp_path):
    """Each word by itself; rows after the last word stay zero, and prompts that are dropped stay empty."""
    cache = write_cache(tmp_path, clips=1)
    row = torch.arange(16.0)[:, None].expand(-1, 32)
    words = (row < 6) * (row + 1)
    for prompt, embedding in (("", torch.zeros(16, 32)), (PROMPT, words), (unknown_prompt(16), -1 - row)):
        write_text(cache.folder, cache.settings, prompt, embedding)
    data = TrainingData(cache, with_dropout(word_dropout=0.3, text_dropout=0.2), seed=0)
    choices = [data.choose_samples(i, 1, 0, 1)[0] for i in range(400)]
    texts = [data.load_batch(i, 1, 0, 1).batch.text[0] for i in range(400)]
    for choice, text in zip(choices, texts, strict=True):
        unknown = torch.tensor([i in choice.unknown_words for i in range(16)])[:, None]
        expected = torch.zeros(16, 32) if choice.drop_prompt else torch.where(unknown & (row < 6), -1 - row, words)
        assert torch.equal(text, expected)
    rates = torch.tensor([[i in c.unknown_words for i in range(6)] for c in choices]).float().mean(0)
    assert ((rates - 0.3).abs() < 0.1).all()  # four standard deviations
    assert len({choice.unknown_words for choice in choices}) > 100
    assert data.choose_samples(3, 2, 1, 2) == TrainingData(
        cache, with_dropout(word_dropout=0.3, text_dropout=0.2), seed=0
    ).choose_samples(3, 2, 1, 2)


def test_unknown_words_change_nothing_else_and_need_their_embedding(cache):
    data = TrainingData(cache, TINY, seed=0)
    assert all(not choice.unknown_words for choice in data.choose_samples(0, 50, 0, 1))
    with pytest.raises(ValueError, match="no embedding of the unknown word, which cycle.word_dropout needs"):
        TrainingData(cache, with_dropout(word_dropout=0.1), seed=0)


def test_dropped_prompts_are_independent_of_the_views(cache):
    """Each half of 4000 samples has about 200 of 2000 prompts dropped, with a standard deviation of 13."""
    chosen = TrainingData(cache, TINY, seed=0).choose_samples(0, 4000, 0, 1)
    for index in range(len(CLUSTERS)):
        for number in "01":
            dropped = [choice.drop_prompt for choice in chosen if choice.views[index].endswith(number)]
            assert len(dropped) > 1800 and 0.07 < sum(dropped) / len(dropped) < 0.13


def test_views_are_drawn_independently_in_each_cluster(cache):
    chosen = Counter(choice.views for choice in TrainingData(cache, TINY, seed=0).choose_samples(0, 1600, 0, 1))
    assert len(chosen) == 8 and min(chosen.values()) > 140  # 200 each, with a standard deviation of 13


def test_draws_differ_between_samples_and_seeds(cache):
    """Views and dropped prompts of the samples of one epoch differ, and so do those of two seeds."""
    chosen = [[c[1:] for c in TrainingData(cache, TINY, seed=seed).choose_samples(0, 4, 0, 1)] for seed in range(6)]
    assert sum(len(set(epoch)) > 1 for epoch in chosen) >= 5
    by_clip = [
        dict(c[:2] for c in TrainingData(cache, TINY, seed=seed).choose_samples(0, 4, 0, 1)) for seed in range(6)
    ]
    assert all(len({each[clip] for each in by_clip}) > 1 for clip in cache.clips)
    assert len({tuple(epoch) for epoch in chosen}) == 6


def test_each_sample_of_a_batch_has_its_own_prompt(cache):
    data = TrainingData(cache, TINY, seed=0)
    at = next(i for i in range(200) if len({c.drop_prompt for c in data.choose_samples(i, 2, 0, 1)}) == 2)
    texts = [cache.text("" if c.drop_prompt else PROMPT) for c in data.choose_samples(at, 2, 0, 1)]
    assert torch.equal(data.load_batch(at, 2, 0, 1).batch.text, torch.stack(texts))


def test_a_fraction_of_the_data_is_always_the_same_clips(cache):
    data = TrainingData(cache, TINY, seed=0, fraction=0.3)
    assert len(data.clips) == 2  # of 4, rounded up
    assert {data.choose_samples(i, 1, 0, 1)[0].clip for i in range(20)} == set(data.clips)
    assert data.clips == TrainingData(cache, TINY, seed=0, fraction=0.3).clips
    assert len({TrainingData(cache, TINY, seed=seed, fraction=0.3).clips for seed in range(8)}) > 1


def open_changed(folder, **changes):
    """Return the data of a cache of one clip whose centre view is changed."""
    cache = write_cache(folder, clips=1)
    view = dataclasses.replace(view_of(TINY, "clip0", "center", 0, 9), **changes)
    write_view(folder, cache.settings, view)
    return TrainingData(LatentCache(folder), TINY, seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K": torch.zeros(3, 3)}, "clip clip0, view center0 has no valid camera"),
        ({"R": torch.zeros(3, 3)}, "has no valid camera"),
        ({"R": torch.eye(3).expand(9, 3, 3), "t": torch.zeros(9, 3)}, "has a moving camera"),
        ({"visible": torch.zeros(9, 9, dtype=torch.bool)}, "clip clip0, view center0 sees none of its points"),
    ],
)
def test_an_unusable_view_is_named(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        open_changed(tmp_path, **changes).load_batch(0, 1, 0, 1)


FAULTS = (
    ({"R": torch.eye(3).expand(9, 3, 3), "t": torch.zeros(9, 3)}, "has a moving camera"),
    ({"K": torch.zeros(3, 3)}, "has no valid camera"),
    ({"visible": torch.zeros(9, 12, dtype=torch.bool)}, "sees none of its points"),
)


def rewrite_view(cache, clip, cluster, number, **changes):
    """Write a view of twelve points again, with changes."""
    view = view_of(TINY, clip, cluster, number, 12)
    write_view(cache.folder, cache.settings, dataclasses.replace(view, **changes))


def test_all_views_are_checked_before_training_and_listed_in_one_error(tmp_path):
    """Independent of the order in which views are chosen."""
    cache = write_cache(tmp_path, clips=4, views=2)
    for (changes, _), clip, cluster in zip(FAULTS, ("clip1", "clip3", "clip3"), CLUSTERS, strict=True):
        rewrite_view(cache, clip, cluster, 1, **changes)
    (tmp_path / "views/clip0/right/right0.safetensors").write_bytes(b"cut off")
    with pytest.raises(ValueError, match="4 of 24 views cannot be trained on") as refused:
        TrainingData(LatentCache(tmp_path), TINY, seed=0)
    message = str(refused.value)
    places = ("clip clip1, view left1", "clip clip3, view center1", "clip clip3, view right1")
    assert all(f"{place} {fault}" in message for place, (_, fault) in zip(places, FAULTS, strict=True))
    assert "right0.safetensors is truncated" in message and "more" not in message


def test_an_error_lists_ten_views_and_counts_the_rest(tmp_path):
    cache = write_cache(tmp_path, clips=4)
    for clip in cache.clips:
        for cluster in CLUSTERS:
            rewrite_view(cache, clip, cluster, 0, **FAULTS[2][0])
    with pytest.raises(ValueError, match="12 of 12 views .*; and 2 more") as refused:
        TrainingData(LatentCache(tmp_path), TINY, seed=0)
    assert str(refused.value).count("sees none") == 10


def test_a_view_may_see_its_points_only_in_a_later_frame(tmp_path):
    cache = write_cache(tmp_path, clips=1)
    late = torch.zeros(9, 12, dtype=torch.bool)
    late[8, 3] = True
    rewrite_view(cache, "clip0", "left", 0, visible=late)
    assert TrainingData(LatentCache(tmp_path), TINY, seed=0).load_batch(0, 1, 0, 1).clips == ("clip0",)


def test_a_view_without_points_is_named(tmp_path):
    cache = write_cache(tmp_path, clips=1)
    rewrite_view(
        cache, "clip0", "left", 0, anchors=torch.zeros(0, 2), world=torch.zeros(9, 0, 3), part=torch.zeros(0),
        visible=torch.zeros(9, 0, dtype=torch.bool),
    )  # fmt: skip
    with pytest.raises(ValueError, match="view left0 sees none of its points"):
        TrainingData(LatentCache(tmp_path), TINY, seed=0)


def test_latents_are_not_read_before_training(tmp_path):
    """A changed latent is found only when it is loaded."""
    cache = write_cache(tmp_path, clips=1)
    path = tmp_path / "views/clip0/left/left0.safetensors"
    stored = cache.load("clip0", "left0").z_video.numpy().tobytes()
    path.write_bytes(path.read_bytes().replace(stored, bytes(len(stored))))
    data = TrainingData(cache, TINY, seed=0)
    with pytest.raises(CorruptFolder, match="left0.safetensors"):
        data.load_batch(0, 1, 0, 1)


def test_a_prompt_without_an_embedding_is_named_before_training(tmp_path):
    cache = write_cache(tmp_path, clips=1)
    rewrite_view(cache, "clip0", "left", 0, prompt="stir the pot")
    with pytest.raises(ValueError, match="view left0 has no embedding of 'stir the pot'"):
        TrainingData(LatentCache(tmp_path), TINY, seed=0)


def test_a_cache_without_the_empty_prompt_is_refused(tmp_path):
    write_cache(tmp_path, clips=1)
    (tmp_path / f"text/{hashlib.sha256().hexdigest()}.safetensors").unlink()
    with pytest.raises(ValueError, match="has no embedding of the empty prompt: run python -m reference_model.prepare"):
        TrainingData(LatentCache(tmp_path), TINY, seed=0)


def test_a_cluster_without_a_view_is_named_before_training(tmp_path):
    write_cache(tmp_path, clips=2)
    (tmp_path / "views/clip1/right/right0.safetensors").unlink()
    with pytest.raises(ValueError, match="clip clip1 has no view of cluster right: run python -m"):
        TrainingData(LatentCache(tmp_path), TINY, seed=0)


def test_an_empty_cache_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no clips: run python -m reference_model.prepare"):
        TrainingData(write_cache(tmp_path, clips=0), TINY, seed=0)


def test_a_cache_of_another_size_is_refused(cache):
    with pytest.raises(ValueError, match="height was 64, now 128"):
        TrainingData(cache, dataclasses.replace(TINY, height=128), seed=0)


ONE_VIEW = with_mjd(TINY, views=1)


def test_a_model_of_one_view_gets_a_view_of_a_random_cluster(cache):
    data = TrainingData(cache, ONE_VIEW, seed=0)
    chosen = [choice.views for choice in data.choose_samples(0, 1200, 0, 1)]
    assert {len(views) for views in chosen} == {1}
    drawn = Counter(views[0] for views in chosen)
    assert drawn.keys() == {f"{cluster}{number}" for cluster in CLUSTERS for number in range(2)}
    assert min(drawn.values()) > 140  # 200 each, with a standard deviation of 13
    batch = data.load_batch(0, 1, 0, 1).batch
    stored = cache.load(data.choose_samples(0, 1, 0, 1)[0].clip, chosen[0][0])
    assert torch.equal(batch.z_video[0, 0], stored.z_video) and torch.equal(batch.cameras.R[0, 0], stored.R)
    assert batch.point_mask.shape == (1, 1, len(stored.anchors)) and batch.point_mask.all()


def test_a_model_of_one_view_takes_clips_that_lack_a_cluster(tmp_path):
    write_cache(tmp_path, clips=1)
    (tmp_path / "views/clip0/right/right0.safetensors").unlink()
    data = TrainingData(LatentCache(tmp_path), ONE_VIEW, seed=0)
    assert {choice.views for choice in data.choose_samples(0, 60, 0, 1)} == {("left0",), ("center0",)}


def test_a_model_of_two_views_is_refused(cache):
    with pytest.raises(ValueError, match="V=2: training takes one view of each of left, center, right, or one view"):
        TrainingData(cache, with_mjd(TINY, views=2), seed=0)
