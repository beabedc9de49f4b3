"""The objectives against their definitions, written out plainly, and by hand."""

import pytest
import torch
from plain_losses import brute_chamfer, mean_over_points, merged_clouds
from scipy.spatial import cKDTree

from reference_model.cycle.losses import chamfer, masked_squared_error, nearest_by_table, nearest_by_tree, squared_error

B, V, N, K = 2, 3, 4, 7


def case(seed=0, far=1.0):
    g = torch.Generator().manual_seed(seed)
    prediction, target = torch.randn(2, B, V, N, K, 3, generator=g) * far
    point_mask = torch.rand(B, V, K, generator=g) < 0.7
    point_mask[0, 2] = False  # a view without points
    return prediction, target, point_mask


@pytest.mark.parametrize("seed", range(3))
def test_chamfer_and_its_gradients_are_those_of_all_distances(seed):
    results = []
    for way in (chamfer, brute_chamfer):
        prediction, target, point_mask = case(seed)
        prediction.requires_grad_()
        value = way(prediction, target, point_mask)
        value.backward()
        results.append((value.detach(), prediction.grad))
    for one, other in zip(*results, strict=True):
        assert torch.allclose(one, other, atol=1e-6) and one.abs().sum() > 0


@pytest.mark.parametrize("far", [0.0, 4.0])
def test_the_tree_and_the_table_find_equal_neighbours(far):
    g = torch.Generator().manual_seed(0)
    points, cloud = (far + 0.02 * torch.rand(count, 3, generator=g) for count in (300, 200))
    assert torch.equal(nearest_by_tree(points, cloud), nearest_by_table(points, cloud))
    assert torch.equal(nearest_by_table(points, cloud), (points[:, None] - cloud).double().norm(dim=-1).argmin(dim=1))


def test_chamfer_on_a_gpu_is_that_on_a_cpu():
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    prediction, target, point_mask = case(1)
    expected = chamfer(prediction, target, point_mask)
    assert chamfer(prediction.cuda(), target.cuda(), point_mask.cuda()).item() == pytest.approx(
        expected.item(), rel=1e-5
    )


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_chamfer_of_nan_is_not_finite(bad):
    prediction, target, point_mask = case(1)
    prediction[1, 0, 2, point_mask[1, 0].nonzero()[0, 0]] = bad
    assert not chamfer(prediction, target, point_mask).isfinite()


def test_chamfer_equals_that_of_k_d_trees():
    prediction, target, point_mask = case(1)
    values = []
    for one, other in zip(merged_clouds(prediction, point_mask), merged_clouds(target, point_mask), strict=True):
        forth, back = cKDTree(other.numpy()).query(one.numpy())[0], cKDTree(one.numpy()).query(other.numpy())[0]
        values.append(((forth**2).mean() + (back**2).mean()) / 2)
    assert chamfer(prediction, target, point_mask).item() == pytest.approx(sum(values) / len(values), rel=1e-5)


def test_chamfer_by_hand():
    """Two points against one: to (0, 0, 0) from both, 1 and 9; from it to the nearer, 1; ((1 + 9) / 2 + 1) / 2 = 3."""
    tracks = torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]]).view(1, 2, 1, 1, 3)  # one point in each of two views
    origin = torch.zeros(1, 2, 1, 1, 3)
    both = torch.ones(1, 2, 1, dtype=torch.bool)
    assert chamfer(tracks, origin, both).item() == 3.0
    assert (
        chamfer(tracks, tracks.flip(1), both).item() == 0.0
    )  # views are merged: which one a point is of does not matter
    assert (
        chamfer(tracks.repeat(1, 1, 2, 1, 1), torch.cat([tracks, origin], dim=2), both).item() == 1.5
    )  # frames are apart


def test_near_neighbours_are_found_far_from_the_origin():
    """The case of a small loss: points 0.01 units apart, 4 units from the origin, each 1e-3 from the truth."""
    line = torch.arange(40) * 0.01
    target = torch.stack([line + 4, line + 4, 4 - line], dim=-1).view(1, 1, 1, 40, 3)
    prediction = target + torch.tensor([1e-3, 0.0, 0.0])
    assert chamfer(prediction, target, torch.ones(1, 1, 40, dtype=torch.bool)).item() == pytest.approx(1e-6, rel=0.01)


def test_values_of_padding_do_not_matter():
    for loss in (chamfer, masked_squared_error):
        prediction, target, point_mask = case()
        expected = loss(prediction, target, point_mask)
        padding = ~point_mask[:, :, None, :, None].expand_as(prediction)
        for strange in (1e6, torch.nan, torch.inf):
            given = prediction.masked_fill(padding, 7.0).requires_grad_()
            value = loss(given, target.masked_fill(padding, strange), point_mask)
            value.backward()
            assert torch.equal(value, expected)
            assert given.grad.isfinite().all() and not given.grad[padding].any() and given.grad[~padding].any()


def test_masked_squared_error_is_a_mean_over_unmasked_points():
    prediction, target, point_mask = case()
    expected = mean_over_points(prediction, target, point_mask)
    assert masked_squared_error(prediction, target, point_mask).item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(masked_squared_error(prediction, target, torch.ones_like(point_mask)), squared_error(prediction, target))  # fmt: skip
    assert squared_error(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 0.0, 0.0])).item() == pytest.approx(13 / 3)


@pytest.mark.parametrize("loss", [chamfer, masked_squared_error])
def test_a_sample_without_points_is_skipped_and_no_points_give_zero(loss):
    prediction, target, point_mask = case()
    point_mask[0] = False
    rest = loss(prediction[1:], target[1:], point_mask[1:])
    assert loss(prediction, target, point_mask).item() == pytest.approx(rest.item(), rel=1e-6)
    assert loss(prediction, target, torch.zeros_like(point_mask)).item() == 0.0
