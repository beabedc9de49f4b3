"""Plain-loop versions of the metrics of the interaction, from the formulas alone; rotations by Horn's quaternions; nothing of hoibench is used."""

import math

import numpy as np
from plain_motion import camera_point, difference, mean, mean_of_means, norm, pose, scene_size

TOOL, TARGET = 2, 3


def centroid(points):
    return [mean([float(p[c]) for p in points]) for c in range(3)]


def times(R, x):
    return [sum(float(R[r][c]) * float(x[c]) for c in range(3)) for r in range(3)]


def move(motion, x):
    R, t = motion
    return [a + b for a, b in zip(times(R, x), t, strict=True)]


def fit(source, target):
    """(R, t) of the best rigid motion: Horn (1987), the eigenvector of the largest eigenvalue of a 4x4 matrix of covariances."""
    a, b = centroid(source), centroid(target)
    S = [[0.0] * 3 for _ in range(3)]
    for x, p in zip(source, target, strict=True):
        u, w = difference(x, a), difference(p, b)
        for i in range(3):
            for j in range(3):
                S[i][j] += u[i] * w[j]
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = S
    N = [
        [xx + yy + zz, yz - zy, zx - xz, xy - yx],
        [yz - zy, xx - yy - zz, xy + yx, zx + xz],
        [zx - xz, xy + yx, yy - xx - zz, yz + zy],
        [xy - yx, zx + xz, yz + zy, zz - xx - yy],
    ]
    w, x, y, z = (float(c) for c in np.linalg.eigh(np.array(N))[1][:, -1])
    R = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return R, difference(b, times(R, a))


def determines_a_fit(points):
    if len(points) < 6:
        return False
    centred = [difference(p, centroid(points)) for p in points]
    extent = float(np.linalg.svd(np.array(centred))[1][1]) / math.sqrt(len(points))
    return extent >= 0.01 and extent * math.sqrt(len(points)) >= 0.01 * math.sqrt(20)


def angle(a, b):
    """Degrees between rotations or vectors, from the chord, of which small ones are exact."""
    if np.ndim(a) == 1:
        return math.degrees(2 * math.atan2(norm(difference(a, b)), norm([x + y for x, y in zip(a, b, strict=True)])))
    chord = math.sqrt(sum((a[i][j] - b[i][j]) ** 2 for i in range(3) for j in range(3)))
    return math.degrees(2 * math.asin(min(1.0, chord / math.sqrt(8))))


def objects(P, world, cameras, part, m, valid, axes=(None, None)):
    """Rigidity, rotation, translation and ADD."""
    V, N, _ = m.shape
    D = scene_size(world)
    sets = {name: [[[] for _ in range(2)] for _ in range(V)] for name in ("rigidity", "rotation", "translation", "add")}
    for v in range(V):
        for o, index in enumerate((TOOL, TARGET)):
            own = [k for k in range(len(part)) if part[k] == index]
            for n in range(1, N):
                counted = [k for k in own if m[v, n, k]]
                if not determines_a_fit([world[0, k] for k in counted]):
                    continue
                camera = pose(cameras[v], n)
                true = fit([world[0, k] for k in counted], [camera_point(world[n, k], *camera) for k in counted])
                found = [k for k in counted if valid[v, n, k]]
                share = len(found) / len(counted)
                assert len(found) >= 3, "fewer points have no motion"
                ours = fit([world[0, k] for k in found], [P[v, n, k] for k in found])
                squares = [min(D, norm(difference(move(ours, world[0, k]), P[v, n, k]))) ** 2 for k in found]
                squares += [D**2] * (len(counted) - len(found))
                axis, centre = axes[o], centroid([world[0, k] for k in own])
                turned = (ours[0], true[0]) if axis is None else (times(ours[0], axis), times(true[0], axis))
                moved = [norm(difference(move(ours, world[0, k]), move(true, world[0, k]))) for k in own]
                errors = {
                    "rotation": angle(*turned),
                    "translation": norm(difference(move(ours, centre), move(true, centre))),
                    "add": mean(moved),
                }
                sets["rigidity"][v][o].append(math.sqrt(mean(squares)))
                for name, cap in (("rotation", 180.0), ("translation", D), ("add", D)):
                    sets[name][v][o].append(share * min(errors[name], cap) + (1 - share) * cap)
    return {name: mean_of_means(values) for name, values in sets.items()}


def part_error(P, world, cameras, part, m, valid, parts):
    V, N, K = m.shape
    D = scene_size(world)
    sets = []
    for v in range(V):
        frames = []
        for n in range(1, N):
            values = []
            for k in range(K):
                if m[v, n, k] and part[k] in parts:
                    x = camera_point(world[n, k], *pose(cameras[v], n))
                    values.append(min(D, norm(difference(P[v, n, k], x))) if valid[v, n, k] else D)
            frames.append(values)
        sets.append(frames)
    return mean_of_means(sets)


def object_following(P, X, m, valid):
    """Of one object; None where it moves less than 1 cm."""
    V, N, K = m.shape
    shares, squares = [], []
    for v in range(V):
        for n in range(N):
            for k in range(K):
                if m[v, 0, k] and m[v, n, k]:
                    dX = difference(X[v, n, k], X[v, 0, k])
                    dP = difference(P[v, n, k], P[v, 0, k]) if valid[v, 0, k] and valid[v, n, k] else [0.0] * 3
                    squares.append(norm(dX) ** 2)
                    if squares[-1] > 0:
                        shares.append((sum(a * b for a, b in zip(dP, dX, strict=True)) / squares[-1], squares[-1]))
    if not squares or mean(squares) < 1e-4:
        return None
    shares.sort()
    half, count = sum(weight for _, weight in shares) / 2, 1
    while sum(weight for _, weight in shares[:count]) < half:
        count += 1
    return max(0.0, 1.0 - abs(1.0 - shares[count - 1][0]))
