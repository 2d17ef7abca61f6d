# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Cropping of scenes with too many points."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS

from .scene import grid_coords, keep_points, set_grid_coords
from .seeding import draw_generator


@TRANSFORMS.register_module()
class CropToMaxPoints(BaseTransform):
    """Crop a scene with too many points to a random window.

    A box at a random position in the scene shrinks step by step in x and y until it contains at
    most ``max_points`` points. The crop works in the frame of the voxel grid (on the distorted
    coordinates if there are any) and makes the corner of the window the origin of the grid. Apply
    ``RelabelInstances`` after it.

    Source: the PointGroup family: window 512, step 32 voxels of 2 cm, 250 000 points; SoftGroup:
    up to 5 tries to keep at least 5000 points. Deviation: if all tries keep fewer, SoftGroup drops
    the scene from the batch. Here, the result is a random subset of the last window that had too
    many points; no sample is lost or empty.

    Args:
        max_points: Largest number of points to keep.
        window: Edge of the first window, metres.
        step: Decrease of the window in x and y per step, metres.
        min_points: Try again if fewer points remain.
        max_tries: Largest number of tries.
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
        """Drop the points outside the window if the scene has too many."""
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
        """Try one crop.

        Returns:
            The ascending indices of the points in the first window with at most ``max_points``
            points; those in the window before it, which had more; and the shift of the coordinates
            of the former, or of the latter if the former has too few points.
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
