# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Cropping of scenes that are too large."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .scene import grid_coords, keep_points, set_grid_coords
from .seeding import draw_generator


@TRANSFORMS.register_module()
class CropToMaxPoints(BaseTransform):
    """Cut a random window out of a scene with too many points.

    A cube-like window, at a random place in the scene, is made narrower in x and y by a step
    until at most ``max_points`` points lie inside. It works in the frame of the voxel grid (the
    distorted coordinates if there are any), and leaves the window's corner as the grid's origin.
    Put ``RelabelInstances`` behind it.

    Source: the PointGroup family: window 512, step 32 voxels of 2 cm, 250 000 points; SoftGroup:
    up to 5 tries to keep at least 5000 points. Deviation: where all tries leave fewer, SoftGroup
    drops the scene from the batch; here a random subset of the last window that held too many
    points is taken, so that a sample is never lost and never empty.

    Args:
        max_points: the most points to keep.
        window: edge of the first window, metres.
        step: by how much the window narrows in x and y, metres.
        min_points: try again when fewer remain.
        max_tries: how often to try at most.
    """

    def __init__(
        self,
        *,
        max_points: int = 250_000,
        window: float = 10.24,
        step: float = 0.64,
        min_points: int = 5_000,
        max_tries: int = 5,
    ) -> None:
        self.max_points = max_points
        self.window = window
        self.step = step
        self.min_points = min(min_points, max_points)
        self.max_tries = max_tries

    def transform(self, results: dict) -> dict:
        """Drop what lies outside the window, if the scene is too large."""
        if len(results['points']) <= self.max_points:
            return results
        rng = draw_generator(results, type(self).__name__)
        coords = grid_coords(results['points'])
        for _ in range(self.max_tries):
            kept, crowded, offset = self._crop(coords, rng)
            if len(kept) >= self.min_points:
                break
        else:
            kept = np.sort(rng.choice(crowded, self.max_points, replace=False))
        results['points'] = set_grid_coords(results['points'], np.maximum(coords + offset, 0))
        keep_points(results, kept)
        return results

    def _crop(
        self, coords: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """One try.

        Returns:
            The numbers, ascending, of the points in the first window with at most ``max_points``,
            and of those in the window before it, which held more; the shift of the coordinates
            that belongs to the former, or to the latter if the former has too few points.
        """
        extent = coords.max(axis=0)
        window = np.full(3, self.window, dtype=np.float32)
        crowded, crowded_offset = np.arange(len(coords)), np.zeros(3, dtype=np.float32)
        while True:
            slack = np.minimum(window - extent, 0).astype(np.float32)
            offset = slack * rng.random(3, dtype=np.float32)
            shifted = coords + offset
            inside = np.flatnonzero(((shifted >= 0) & (shifted < window)).all(axis=1))
            if len(inside) <= self.max_points:
                is_enough = len(inside) >= self.min_points
                return inside, crowded, offset if is_enough else crowded_offset
            crowded, crowded_offset = inside, offset
            window[:2] -= np.float32(self.step)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(max_points={self.max_points}, window={self.window}, '
            f'step={self.step}, min_points={self.min_points}, max_tries={self.max_tries})'
        )
