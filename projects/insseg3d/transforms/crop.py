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
    up to 5 tries to keep at least 5000 points. Deviation: where all tries fail, SoftGroup drops
    the scene from the batch; here the fullest try is taken. Where the window cannot shrink
    further, the field returns an empty scene; here a random subset of its points is taken.

    Args:
        max_points: the most points to keep.
        window: edge of the first window, metres.
        step: by how much the window narrows, metres.
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
        kept, offset = self._crop(coords, rng)
        for _ in range(self.max_tries - 1):
            if len(kept) >= self.min_points:
                break
            kept, offset = max(
                (kept, offset), self._crop(coords, rng), key=lambda crop: len(crop[0])
            )
        results['points'] = set_grid_coords(results['points'], np.maximum(coords + offset, 0))
        keep_points(results, kept)
        return results

    def _crop(self, coords: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """One try: numbers of the points kept, ascending, and the shift of the coordinates."""
        extent = coords.max(axis=0)
        window = np.full(3, self.window, dtype=np.float32)
        while True:
            slack = np.minimum(window - extent, 0).astype(np.float32)
            offset = slack * rng.random(3, dtype=np.float32)
            shifted = coords + offset
            inside = np.flatnonzero(((shifted >= 0) & (shifted < window)).all(axis=1))
            if len(inside) <= self.max_points:
                return inside, offset
            if window[0] - self.step <= self.step / 2:
                chosen = rng.choice(len(inside), self.max_points, replace=False)
                return inside[np.sort(chosen)], offset
            window[:2] -= np.float32(self.step)

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(max_points={self.max_points}, window={self.window}, '
            f'step={self.step}, min_points={self.min_points}, max_tries={self.max_tries})'
        )
