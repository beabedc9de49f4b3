"""Plain-loop versions of the motion metrics, written from the formulas alone; nothing of hoibench is used."""

import math

import numpy as np


def norm(vector):
    return math.sqrt(sum(float(c) ** 2 for c in vector))


def mean(values):
    return sum(values) / len(values)


def world_point(point, R, t):
    """R^T (p - t)."""
    shifted = [float(p) - float(o) for p, o in zip(point, t, strict=True)]
    return [sum(float(R[r][c]) * shifted[r] for r in range(3)) for c in range(3)]


def camera_point(point, R, t):
    return [sum(float(R[r][c]) * float(point[c]) for c in range(3)) + float(t[r]) for r in range(3)]


def pixel(point, K):
    x, y, z = point
    return [
        (K[0][0] * x + K[0][1] * y) / z + K[0][2],
        K[1][1] * y / z + K[1][2],
    ]


def pose(camera, n):
    return (camera.R[n], camera.t[n]) if np.ndim(camera.R) == 3 else (camera.R, camera.t)


def difference(a, b):
    return [float(x) - float(y) for x, y in zip(a, b, strict=True)]


def mean_of_means(sets):
    """sets[g][n] = list of point values; empty frames and groups drop."""
    groups = []
    for frames in sets:
        frame_means = [mean(values) for values in frames if values]
        if frame_means:
            groups.append(mean(frame_means))
    return mean(groups)


def scale(P, X, m):
    numerator = denominator = 0.0
    for index in np.argwhere(m):
        p, x = P[tuple(index)], X[tuple(index)]
        numerator += sum(float(a) * float(b) for a, b in zip(p, x, strict=True))
        denominator += sum(float(a) ** 2 for a in p)
    return numerator / denominator


def relative_errors(P, X, m, valid, cap=1.0, missing=1.0):
    V, N, K = m.shape
    return [
        [
            [
                min(cap, norm(difference(P[v, n, k], X[v, n, k])) / max(norm(X[v, n, k]), 0.01))
                if valid[v, n, k]
                else missing
                for k in range(K)
                if m[v, n, k]
            ]
            for n in range(N)
        ]
        for v in range(V)
    ]


def percent(sets):
    return 100 * mean_of_means(sets)


def inliers(sets, threshold):
    return percent([[[1.0 if e < threshold else 0.0 for e in values] for values in frames] for frames in sets])


def scene_size(world):
    points = [point for frame in world for point in frame]
    centre = [mean([float(p[c]) for p in points]) for c in range(3)]
    return math.sqrt(mean([norm(difference(p, centre)) ** 2 for p in points]))


def world_errors(P, world, cameras, m, valid, divide_by, cap=3.0, missing=3.0):
    """divide_by: ``scene`` or ``norm``."""
    V, N, K = m.shape
    size = scene_size(world)
    sets = []
    for v in range(V):
        frames = []
        for n in range(N):
            R, t = pose(cameras[v], n)
            values = []
            for k in range(K):
                if not m[v, n, k]:
                    continue
                divisor = size if divide_by == "scene" else max(norm(world[n, k]), 0.01)
                error = norm(difference(world_point(P[v, n, k], R, t), world[n, k])) / divisor
                values.append(min(error, cap) if valid[v, n, k] else missing)
            frames.append(values)
        sets.append(frames)
    return sets


def disagreement_errors(P, world, cameras, m, valid):
    V, N, K = m.shape
    size = scene_size(world)
    sets = []
    for i in range(V):
        for j in range(V):
            if i == j:
                continue
            frames = []
            for n in range(N):
                values = []
                for k in range(K):
                    if m[i, n, k] and m[j, n, k]:
                        a = world_point(P[i, n, k], *pose(cameras[i], n))
                        b = world_point(P[j, n, k], *pose(cameras[j], n))
                        both = valid[i, n, k] and valid[j, n, k]
                        values.append(min(norm(difference(a, b)) / size, 3.0) if both else 3.0)
                frames.append(values)
            sets.append(frames)
    return sets


def reprojection(P, world, cameras, m, valid):
    V, N, K = m.shape
    errors = []
    for i in range(V):
        for j in range(V):
            for n in range(N):
                for k in range(K):
                    if i == j or not (m[i, n, k] and m[j, n, k]):
                        continue
                    height, width = cameras[j].size
                    cap = error = 0.1 * math.hypot(height, width)
                    if valid[i, n, k]:
                        projected = camera_point(world_point(P[i, n, k], *pose(cameras[i], n)), *pose(cameras[j], n))
                        true = camera_point(world[n, k], *pose(cameras[j], n))
                        if projected[2] > 0:
                            error = min(
                                cap, norm(difference(pixel(projected, cameras[j].K), pixel(true, cameras[j].K)))
                            )
                    errors.append(error)
    errors.sort()
    middle = len(errors) // 2
    return errors[middle] if len(errors) % 2 else (errors[middle - 1] + errors[middle]) / 2


def chamfer(P, X, m, valid, recorded, covered, size, seed, power):
    """covered: like m, true points with a prediction."""
    sets = []
    for v in range(len(X)):
        frames = []
        for n in range(len(X[v])):
            counted = [k for k in range(X.shape[2]) if m[v, n, k]]
            if not counted:
                continue
            found = [P[v, n, k] for k in range(P.shape[2]) if valid[v, n, k]]
            share = sum(bool(covered[v, n, k]) for k in counted) / len(counted)
            if not found or not share:
                frames.append([size**power])
                continue
            near = [X[v, n, k] for k in range(X.shape[2]) if recorded[v, n, k]]
            accuracy = mean([min(norm(difference(p, x)) ** power for x in near) for p in found])
            draws = [found]
            if len(found) > len(near):
                rng = np.random.default_rng(seed)
                draws = [[found[i] for i in rng.choice(len(found), len(near), replace=False)] for _ in range(5)]
            completeness = mean(
                [min(norm(difference(p, X[v, n, k])) ** power for p in draw) for draw in draws for k in counted]
            )
            frames.append([min(size**power, (accuracy + completeness) / share)])
        sets.append(frames)
    return mean_of_means(sets)


def chamfer_paper(P, X, valid, recorded, size, power):
    sets = []
    for v in range(len(X)):
        frames = []
        for n in range(len(X[v])):
            true = [X[v, n, k] for k in range(X.shape[2]) if recorded[v, n, k]]
            found = [P[v, n, k] for k in range(P.shape[2]) if valid[v, n, k]]
            if true and found:
                accuracy = mean([min(norm(difference(p, x)) ** power for x in true) for p in found])
                completeness = mean([min(norm(difference(p, x)) ** power for p in found) for x in true])
                frames.append([accuracy + completeness])
            elif true:
                frames.append([size**power])
        sets.append(frames)
    return mean_of_means(sets)


def second_difference(points, v, n, k):
    return [
        float(points[v, n - 1, k, c]) - 2 * float(points[v, n, k, c]) + float(points[v, n + 1, k, c]) for c in range(3)
    ]


def true_in_three_frames(mask, v, n, k):
    return bool(mask[v, n - 1, k] and mask[v, n, k] and mask[v, n + 1, k])


def second_differences(points, m, valid, cap, missing):
    """sets[v][n] of the sizes over the triples of m; missing None leaves triples without predictions out."""
    V, N, K = m.shape
    sets = []
    for v in range(V):
        frames = []
        for n in range(1, N - 1):
            values = []
            for k in range(K):
                if true_in_three_frames(m, v, n, k):
                    if true_in_three_frames(valid, v, n, k):
                        values.append(min(cap, norm(second_difference(points, v, n, k))))
                    elif missing is not None:
                        values.append(missing)
            frames.append(values)
        sets.append(frames)
    return sets


def smoothness(P, X, m, valid, size):
    """(prediction, truth, ranked ratio)."""
    highest = mean_of_means(second_differences(P, m, valid, size, size))
    lowest = mean_of_means(second_differences(P, m, valid, size, 0.0))
    truth = mean_of_means(second_differences(X, m, m, math.inf, None))
    ratios = [highest / truth, lowest / truth]
    return highest, truth, max(ratios, key=lambda ratio: abs(math.log(ratio)) if ratio > 0 else math.inf)


def smoothness_raw(P, m, valid):
    return mean_of_means(second_differences(P, m, valid, math.inf, None))


def accel_error(P, X, m, valid, size):
    sets = second_differences(P - X, m, valid, size, size)
    return mean([value for frames in sets for values in frames for value in values])


def motion_following(P, X, m, valid):
    above = below = 0.0
    V, N, K = m.shape
    for v in range(V):
        for n in range(N):
            for k in range(K):
                if not (m[v, n, k] and m[v, 0, k]):
                    continue
                moved = difference(X[v, n, k], X[v, 0, k])
                below += norm(moved) ** 2
                if valid[v, n, k] and valid[v, 0, k]:
                    followed = difference(P[v, n, k], P[v, 0, k])
                    above += sum(a * b for a, b in zip(followed, moved, strict=True))
    return above / below


def nearest_anchors(pixels, anchors, radius):
    chosen = []
    for u in pixels:
        best, least = -1, None
        for j, a in enumerate(anchors):
            square = (u[0] - a[0]) ** 2 + (u[1] - a[1]) ** 2
            if square <= radius**2 and (least is None or square < least):
                best, least = j, square
        chosen.append(best)
    return chosen


def sample_point_map(grid, u, size):
    """The map's point of the pixel that covers u, or None; grid is (h, w, 3)."""
    h, w, _ = grid.shape
    column, row = math.floor((u[0] + 0.5) * w / size[1]), math.floor((u[1] + 0.5) * h / size[0])
    if not (0 <= column < w and 0 <= row < h):
        return None
    point = [float(c) for c in grid[row, column]]
    if not all(math.isfinite(c) for c in point) or point[2] <= 0:
        return None
    return point
