"""Plain-loop versions of the contact metrics, written from the formulas alone; nothing of hoibench is used."""

import math

import numpy as np
import plain_mesh


def place(vertices, R, t):
    return [[sum(float(R[r][c]) * float(v[c]) for c in range(3)) + float(t[r]) for r in range(3)] for v in vertices]


def least_distance(points, valid, vertices, faces, closed):
    """The least distance of the valid points of a hand from a mesh, negative inside a closed one; infinite without points."""
    measure = plain_mesh.signed_distance if closed else plain_mesh.distance
    return min(
        (measure(p, vertices, faces) for p, usable in zip(points, valid, strict=True) if usable), default=math.inf
    )


def cells(mask):
    return [tuple(index) for index in np.argwhere(mask)]


def contact_accuracy(pred, truth, mask):
    """None where a class has under a tenth of the truth."""
    right = {True: [], False: []}
    for v, n, c in cells(mask):
        touching = truth[n][c] <= 0.005
        predicted = None if math.isnan(pred[v][n][c]) else pred[v][n][c] <= 0.005
        right[touching].append(predicted == touching)
    total = sum(map(len, right.values()))
    if not all(right.values()) or min(map(len, right.values())) < total / 10:
        return None
    return sum(sum(each) / len(each) for each in right.values()) / 2


def contact_depth_error(pred, truth, mask):
    errors = []
    for v, n, c in cells(mask):
        if truth[n][c] <= 0.005:
            error = abs(pred[v][n][c] - truth[n][c])
            errors.append(error if error < 0.05 else 0.05)
    return sum(errors) / len(errors) if errors else None
