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


def relative_errors(P, X, m, valid):
    V, N, K = m.shape
    return [
        [
            [
                norm(difference(P[v, n, k], X[v, n, k])) / max(norm(X[v, n, k]), 0.01) if valid[v, n, k] else 1.0
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


def world_errors(P, world, cameras, m, valid, divide_by):
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
                values.append(error if valid[v, n, k] else 1.0)
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
                        values.append(norm(difference(a, b)) / size if both else 1.0)
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
                    error = 0.1 * math.hypot(height, width)
                    if valid[i, n, k]:
                        projected = camera_point(world_point(P[i, n, k], *pose(cameras[i], n)), *pose(cameras[j], n))
                        true = camera_point(world[n, k], *pose(cameras[j], n))
                        if projected[2] > 0:
                            error = norm(difference(pixel(projected, cameras[j].K), pixel(true, cameras[j].K)))
                    errors.append(error)
    errors.sort()
    middle = len(errors) // 2
    return errors[middle] if len(errors) % 2 else (errors[middle - 1] + errors[middle]) / 2


def sample_farthest_points(cloud, count, seed):
    """Farthest-point sampling: first along a seeded direction, ties by coordinates."""
    direction = np.random.default_rng(seed).standard_normal(3)
    remaining = sorted(tuple(float(c) for c in point) for point in cloud)
    chosen = []
    while len(chosen) < count:
        best, best_value = None, None
        for point in remaining:
            if chosen:
                value = min((point[0] - q[0]) ** 2 + (point[1] - q[1]) ** 2 + (point[2] - q[2]) ** 2 for q in chosen)
            else:
                value = point[0] * direction[0] + point[1] * direction[1] + point[2] * direction[2]
            if best is None or value > best_value:
                best, best_value = point, value
        chosen.append(best)
        remaining.remove(best)
    return chosen


def chamfer(P, X, m, valid, seed, power):
    sets = []
    for v in range(len(X)):
        frames = []
        for n in range(len(X[v])):
            true = [X[v, n, k] for k in range(X.shape[2]) if m[v, n, k]]
            if not true:
                continue
            found = [P[v, n, k] for k in range(P.shape[2]) if valid[v, n, k]]
            if not found:
                found = [(0.0, 0.0, 0.0)]
            elif len(found) != len(true):
                kept = min(len(true), max(len(found), math.ceil(len(true) / 2)))
                found, true = (
                    sample_farthest_points(found, min(len(found), len(true)), seed),
                    sample_farthest_points(true, kept, seed),
                )
            accuracy = mean([min(norm(difference(p, x)) ** power for x in true) for p in found])
            completeness = mean([min(norm(difference(p, x)) ** power for p in found) for x in true])
            frames.append([accuracy + completeness])
        sets.append(frames)
    return mean_of_means(sets)


def second_difference(points, v, n, k):
    return [
        float(points[v, n - 1, k, c]) - 2 * float(points[v, n, k, c]) + float(points[v, n + 1, k, c]) for c in range(3)
    ]


def true_in_three_frames(mask, v, n, k):
    return bool(mask[v, n - 1, k] and mask[v, n, k] and mask[v, n + 1, k])


def smoothness(P, X, m, valid):
    """(prediction, truth, coverage, ranked ratio)."""
    V, N, K = m.shape
    pred, true, expected, covered = [], [], 0, 0
    for v in range(V):
        pred.append([])
        true.append([])
        for n in range(1, N - 1):
            points = [k for k in range(K) if true_in_three_frames(m, v, n, k)]
            expected += len(points)
            points = [k for k in points if true_in_three_frames(valid, v, n, k)]
            covered += len(points)
            pred[v].append([norm(second_difference(P, v, n, k)) for k in points])
            true[v].append([norm(second_difference(X, v, n, k)) for k in points])
    value, reference, coverage = mean_of_means(pred), mean_of_means(true), covered / expected
    ratio = value / reference
    return value, reference, coverage, ratio / coverage if ratio >= 1 else ratio * coverage


def accel_error(P, X, m, valid):
    V, N, K = m.shape
    errors = {}
    for v in range(V):
        for n in range(1, N - 1):
            for k in range(K):
                if true_in_three_frames(m, v, n, k) and true_in_three_frames(valid, v, n, k):
                    errors[v, n, k] = norm(difference(second_difference(P, v, n, k), second_difference(X, v, n, k)))
    typical = mean(list(errors.values()))
    sets = [
        [
            [
                errors.get((v, n, k), max(typical, norm(second_difference(X, v, n, k))))
                for k in range(K)
                if true_in_three_frames(m, v, n, k)
            ]
            for n in range(1, N - 1)
        ]
        for v in range(V)
    ]
    return mean_of_means(sets)


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
    for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
        if 0 <= r < h and 0 <= c < w:
            neighbour = float(grid[r, c, 2])
            if not math.isfinite(neighbour) or abs(neighbour - point[2]) > 0.02 * point[2]:
                return None
    return point
