import numpy as np
import pytest

from hoibench.clip import Camera, Clip, Prediction, Tracks, View

V, N, K = 2, 4, 5


def tracks(shape=(V, N, K, 3)):
    return np.zeros(shape, np.float32) + 1


def anchors():
    return np.zeros((V, K, 2), np.float32)


def test_an_empty_prediction_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        Prediction()


def test_tracks_need_anchors():
    with pytest.raises(ValueError, match="anchors"):
        Prediction(tracks=tracks())


@pytest.mark.parametrize("shape", [(V, N, K), (V, N, K, 2), (N, K, 3)])
def test_wrong_track_shapes_name_both_shapes(shape):
    with pytest.raises(ValueError, match=r"tracks has shape .* expected \(V, N, K', 3\)"):
        Prediction(tracks=tracks(shape), anchors=anchors())


def test_anchors_must_fit_the_tracks():
    with pytest.raises(ValueError, match=f"numbers of points differ: tracks has {K}, anchors has {K - 1}"):
        Prediction(tracks=tracks(), anchors=anchors()[:, 1:])
    with pytest.raises(ValueError, match=f"numbers of views differ: tracks has {V}, anchors has {V - 1}"):
        Prediction(tracks=tracks(), anchors=anchors()[1:])
    with pytest.raises(ValueError, match=f"numbers of frames differ: tracks has {N}, valid has {N - 1}"):
        Prediction(tracks=tracks(), anchors=anchors(), valid=np.ones((V, N - 1, K), bool))


def test_true_tracks_name_every_array_with_its_number_of_points():
    with pytest.raises(ValueError, match=f"Tracks.world has {K}, Tracks.visible has {K - 1}, Tracks.part has {K}"):
        Tracks(np.zeros((N, K, 3)), np.ones((V, N, K - 1), bool), np.zeros(K, np.uint8))
    with pytest.raises(ValueError, match=f"frames differ: Tracks.world has {N}, Tracks.visible has {N - 1}"):
        Tracks(np.zeros((N, K, 3)), np.ones((V, N - 1, K), bool), np.zeros(K, np.uint8))


def test_nan_says_where():
    bad = tracks()
    bad[1, 2, 3, 0] = np.nan
    with pytest.raises(ValueError, match="view 1, frame 2, point 3"):
        Prediction(tracks=bad, anchors=anchors())


def test_nan_is_allowed_where_invalid():
    bad, valid = tracks(), np.ones((V, N, K), bool)
    bad[1, 2, 3, 0], valid[1, 2, 3] = np.nan, False
    assert Prediction(tracks=bad, anchors=anchors(), valid=valid).valid is valid


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_masks_are_bool(dtype):
    """As an index, ones of another type would choose row 1 again and again."""
    ones = np.ones((V, N, K), dtype)
    with pytest.raises(ValueError, match=f"valid has dtype {np.dtype(dtype)}, expected bool"):
        Prediction(tracks=tracks(), anchors=anchors(), valid=ones)
    with pytest.raises(ValueError, match=f"valid has dtype {np.dtype(dtype)}, expected bool"):
        Prediction(points=np.zeros((V, N, 8, 8, 3)), valid=ones)
    with pytest.raises(ValueError, match=f"masks has dtype {np.dtype(dtype)}, expected bool"):
        Prediction(points=np.zeros((V, N, 8, 8, 3)), masks=np.ones((V, N, 8, 8), dtype))
    with pytest.raises(ValueError, match=f"Tracks.visible has dtype {np.dtype(dtype)}, expected bool"):
        Tracks(np.zeros((N, K, 3)), ones, np.zeros(K, np.uint8))


def test_float_video_is_refused():
    with pytest.raises(ValueError, match="expected uint8"):
        Prediction(video=np.zeros((V, N, 8, 8, 3)))


def test_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="metric, shared, per_view"):
        Prediction(video=np.zeros((V, N, 8, 8, 3), np.uint8), scale="affine")


def test_camera_checks_shapes_and_numbers():
    with pytest.raises(ValueError, match=r"Camera.R"):
        Camera(np.eye(3), np.eye(4), np.zeros(3), (8, 8))
    with pytest.raises(ValueError, match="NaN"):
        Camera(np.full((3, 3), np.nan), np.eye(3), np.zeros(3), (8, 8))
    moving = Camera(np.eye(3), np.stack([np.eye(3)] * N), np.zeros((N, 3)), (8, 8))
    assert moving.is_moving


def test_tracks_must_fit_the_views():
    truth = Tracks(np.zeros((N, K, 3)), np.ones((3, N, K), bool), np.zeros(K, np.uint8))
    with pytest.raises(ValueError, match="clip c: tracks.visible"):
        Clip("c", None, None, (View("a"), View("b")), (), 8.0, N, (8, 8), tracks=truth)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.ones((2, N, 4, 4), bool), r"clip c: masks has shape \(2, 4, 4, 4\), expected \(2, 4, 8, 8\)"),
        (np.ones((2, N, 8, 8), np.uint8), "clip c: masks has dtype uint8, expected bool"),
    ],
)
def test_true_masks_must_fit_the_clip(masks, message):
    clip = Clip("c", None, None, (View("a"), View("b")), (), 8.0, N, (8, 8), load_masks=lambda: masks)
    with pytest.raises(ValueError, match=message):
        _ = clip.masks


def test_video_is_loaded_once():
    calls = []

    def load():
        calls.append(1)
        return np.zeros((2, N, 8, 8, 3), np.uint8)

    clip = Clip("c", None, None, (View("a"), View("b")), (), 8.0, N, (8, 8), load_video=load)
    assert clip.video is clip.video
    assert calls == [1]


@pytest.mark.parametrize("kind", [np.int32, np.complex64, "U3"])
def test_tracks_are_floats(kind):
    with pytest.raises(ValueError, match=r"tracks has dtype .*, expected a floating-point dtype"):
        Prediction(tracks=tracks().astype(kind), anchors=anchors())


def test_absurd_coordinates_are_refused():
    with pytest.raises(ValueError, match="coordinates over 1e"):
        Prediction(tracks=tracks() * 1e30, anchors=anchors())


def test_a_mirrored_camera_is_refused():
    with pytest.raises(ValueError, match="not a rotation"):
        Camera(np.eye(3), np.diag([1.0, 1.0, -1.0]), np.zeros(3), (8, 8))
