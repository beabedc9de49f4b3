"""Plain-loop distances from a point to a triangle mesh, written from the definitions alone; nothing of hoibench is used."""

import math


def sub(a, b):
    return [float(x) - float(y) for x, y in zip(a, b, strict=True)]


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def norm(a):
    return math.sqrt(dot(a, a))


def segment_distance(p, a, b):
    along = sub(b, a)
    share = min(1.0, max(0.0, dot(sub(p, a), along) / dot(along, along)))
    return norm(sub(p, [x + share * d for x, d in zip(a, along, strict=True)]))


def triangle_distance(p, a, b, c):
    """To the plane where the foot of the perpendicular lies in the triangle, else to the nearest side."""
    normal = cross(sub(b, a), sub(c, a))
    sides = [(a, b), (b, c), (c, a)]
    if all(dot(cross(sub(end, start), sub(p, start)), normal) >= 0 for start, end in sides):
        return abs(dot(sub(p, a), normal)) / norm(normal)
    return min(segment_distance(p, start, end) for start, end in sides)


def solid_angle(p, a, b, c):
    """Van Oosterom and Strackee's formula."""
    a, b, c = sub(a, p), sub(b, p), sub(c, p)
    la, lb, lc = norm(a), norm(b), norm(c)
    return 2 * math.atan2(dot(a, cross(b, c)), la * lb * lc + dot(a, b) * lc + dot(b, c) * la + dot(c, a) * lb)


def distance(p, vertices, faces):
    return min(triangle_distance(p, *(list(map(float, vertices[i])) for i in face)) for face in faces)


def signed_distance(p, vertices, faces):
    angle = sum(solid_angle(p, *(vertices[i] for i in face)) for face in faces)
    return distance(p, vertices, faces) * (-1 if angle / (4 * math.pi) > 0.5 else 1)
