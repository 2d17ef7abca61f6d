# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Annotation of a scan as sets of segments, and the arbitrary pose of a recording."""

import numpy as np

from ..layout.placed import Placed


def annotate(
    pieces: list[Placed], owner: np.ndarray, segments: np.ndarray, rng: np.random.Generator
) -> tuple[list[tuple[str, np.ndarray]], np.ndarray]:
    """Assign segments to objects as an annotator would.

    Objects of the benchmark's classes are almost always annotated, small things rarely. Some
    segments of walls and floor are left out until the unannotated share is that of real scans.

    Returns:
        The groups, and the index of each group's piece.
    """
    ids, first, counts = np.unique(segments, return_index=True, return_counts=True)
    holder = owner[first]
    found = np.zeros(len(pieces), bool)
    for k, piece in enumerate(pieces):
        if piece.kind or piece.label in ('wall', 'floor'):
            found[k] = piece.kind is None or rng.random() < 0.98
        else:
            found[k] = rng.random() < 0.3
    given = found[holder]
    total = len(segments)
    goal, missing = rng.uniform(0.10, 0.21) * total, counts[~given].sum()
    is_object = np.array([p.kind is not None for p in pieces])[holder]
    # The largest segments of walls and of the floor are always annotated.
    labels = np.array([p.label for p in pieces])[holder]
    kept = np.zeros(len(ids), bool)
    for label, number in (('wall', 2), ('floor', 1)):
        kept[np.argsort(np.where(labels == label, counts, 0), kind='stable')[-number:]] = True
    # Small segments are left out first, large parts of a wall only if those do not suffice.
    for most in (0.05 * total, 0.15 * total):
        for k in rng.permutation(len(ids)):
            spare = counts[k] < 40 and rng.random() < 0.1 if is_object[k] else counts[k] < most
            room_left = goal if counts[k] < 0.05 * total else 0.23 * total
            if given[k] and spare and not kept[k] and missing + counts[k] <= room_left:
                given[k] = False
                missing += counts[k]
            if most > 0.1 * total and missing > 0.09 * total:
                break
        if missing > 0.09 * total:
            break
    groups, holders = [], []
    for k in rng.permutation(len(pieces)):
        own = ids[given & (holder == k)]
        if len(own):
            groups.append((pieces[k].label, rng.permutation(own)))
            holders.append(k)
    return groups, np.array(holders, dtype=np.int64)


def turn_by_chance(points: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Turn and shift a scan at random, as recordings are; also return the matrix that undoes it."""
    angle = rng.uniform(-np.pi, np.pi)
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    turned = points.astype(np.float64) @ turn.T
    shift = rng.uniform(0.0, 0.6, 3) * (1, 1, 0.05) - turned.min(axis=0)
    stored = (turned + shift).astype(np.float32)
    alignment = np.eye(4)
    alignment[:3, :3] = turn.T
    aligned = stored @ turn
    low, high = aligned.min(axis=0), aligned.max(axis=0)
    alignment[:2, 3] = -(low + high)[:2] / 2
    alignment[2, 3] = -np.percentile(aligned[:, 2], 1)
    return stored, np.round(alignment, 6)
