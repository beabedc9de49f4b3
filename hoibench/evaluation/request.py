"""The request that a method receives for a clip.  It holds copies, so that a method cannot change the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hoibench.clip import Array, Clip, Request, SourceVideo, View
from hoibench.geometry import project, to_camera
from hoibench.methods.spec import Spec


def build_request(clip: Clip, spec: Spec, seed: int) -> Request:
    """Build the request that a method receives for a clip: only the inputs that its spec declares.

    It has source videos for the family ``v2v``, true videos for ``vto4r``, and anchors (the points of frame 0 to track) for ``query`` pairing, also
    if the method gives videos alone.

    Raises:
        ValueError: the method needs a source view, and the clip has none.
    """
    sources: tuple[SourceVideo, ...] = ()
    if spec.families == ("v2v",) and not clip.source_views:
        raise ValueError(f"clip {clip.id} has no source view, which {spec.id} needs: the camera's video is missing")
    if "v2v" in spec.families and clip.source_views and clip.load_source_videos is not None:
        videos = zip(clip.source_views, clip.load_source_videos(), strict=True)
        sources = tuple(SourceVideo(_copy_view(view), video.copy()) for view, video in videos)
    if "vto4r" in spec.families and clip.video is not None:
        videos = zip(clip.views, clip.video, strict=True)
        sources += tuple(SourceVideo(_copy_view(view), video.copy()) for view, video in videos)
    wants_anchors = spec.pairing == "query" and clip.tracks is not None
    return Request(
        clip_id=clip.id,
        prompt=clip.prompt,
        views=tuple(_copy_view(view) for view in clip.views),
        frames=clip.frames,
        fps=clip.fps,
        size=clip.size,
        seed=seed,
        source_videos=sources,
        anchors=project_anchors(clip) if wants_anchors and clip.cameras is not None else None,
    )


def project_anchors(clip: Clip) -> Array:
    """Project the true points of frame 0 into each view: (V, K, 2) float32 pixels, including hidden points.

    The clip must have tracks and cameras.
    """
    assert clip.tracks is not None and clip.cameras is not None
    first = clip.tracks.world[0].astype(np.float64)
    pixels = [project(to_camera(first, *camera.extrinsics(0)), camera.K) for camera in clip.cameras]
    return np.stack(pixels).astype(np.float32)


def _copy_view(view: View) -> View:
    camera = view.camera
    return replace(
        view,
        camera=camera and replace(camera, K=camera.K.copy(), R=camera.R.copy(), t=camera.t.copy()),
        image=None if view.image is None else view.image.copy(),
    )
