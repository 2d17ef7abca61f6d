# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Loading of optional annotations and of superpoints, with checks that they fit the points."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet3d.registry import TRANSFORMS
from mmengine.fileio import get

from .scene import GRID, SUPERPOINT, add_columns, scene_name

MAX_SUPERPOINTS = 2**24
"""Ids below this are exact in float32, the type of the points' columns."""


@TRANSFORMS.register_module()
class IfAnnotated(BaseTransform):
    """Run some transforms on annotated scenes only; one test pipeline then serves all scenes.

    A scene is annotated if its info names mask files. For other scenes (the benchmark's test
    split, a bare points file), no transform runs and ``eval_ann_info`` is removed. It is then None
    in the packed sample, which cannot be evaluated.

    Args:
        transforms: Transforms to run, in order.

    Raises:
        ValueError: The info names one of the two mask files but not the other.
    """

    def __init__(self, transforms: Sequence[dict | BaseTransform]) -> None:
        self.transforms = Compose(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        )

    def transform(self, results: dict) -> dict:
        """Run the transforms if the scene is annotated."""
        keys = ('pts_instance_mask_path', 'pts_semantic_mask_path')
        named = [key for key in keys if results.get(key) is not None]
        if len(named) == 1:
            missing = next(key for key in keys if key not in named)
            raise ValueError(
                f'{scene_name(results)}: the info file names {named[0]} but no {missing}; expected '
                'both, or neither for a scene without annotations. Write the info file again'
            )
        if not named:
            results.pop('eval_ann_info', None)
            return results
        return self.transforms(results)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.transforms})'


@TRANSFORMS.register_module()
class CheckAnnotations(BaseTransform):
    """Reject masks that do not fit the points or contain ids outside the dataset's range.

    Apply between ``LoadAnnotations3D`` and ``PointSegClassMapping``. The latter would fail with an
    index error, or map a negative id to the last class.

    Raises:
        ValueError: A mask does not fit. The message names the file and what was found and expected.
    """

    def transform(self, results: dict) -> dict:
        """Check the masks, and return the scene unchanged."""
        num_points = len(results['points'])
        for key in ('pts_instance_mask', 'pts_semantic_mask'):
            if len(results[key]) != num_points:
                raise ValueError(
                    f'{results[f"{key}_path"]}: {len(results[key])} entries for {num_points} '
                    f'points in {scene_name(results)}; expected one int64 per point. '
                    'One of the two files is cut off or belongs to another scene: convert the '
                    'scene again'
                )
        semantic, highest = results['pts_semantic_mask'], len(results['seg_label_mapping']) - 1
        if num_points and not (semantic.min() >= 0 and semantic.max() <= highest):
            wrong = np.unique(semantic[(semantic < 0) | (semantic > highest)])
            raise ValueError(
                f'{results["pts_semantic_mask_path"]}: semantic ids {wrong[:5].tolist()}; expected '
                f'0..{highest}. Does the file belong to another dataset or label set?'
            )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadSuperpoints(BaseTransform):
    """Load each point's superpoint; apply right after ``LoadPointsFromFile``.

    The ids are one more column of the points and stay aligned when points are dropped.
    ``AddVoxelTables`` replaces the column by ``voxels.point2superpoint``, consecutive ids for
    pooling.

    The scene's info names the file (``super_pts_path``), with one int64 in [0, 2**24) per point.

    Args:
        backend_args: Storage backend of the files, see mmengine.

    Raises:
        ValueError: The info names no file, the file does not fit the points, ids are out of range,
            or the points already have columns for the voxel grid.
    """

    def __init__(self, *, backend_args: dict | None = None) -> None:
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Add the column."""
        path, points = results.get('super_pts_path'), results['points']
        if path is None:
            raise ValueError(
                f'{scene_name(results)}: the info file names no superpoint file (super_pts_path); '
                'expected one of int64 ids. Prepare the data again with superpoints: '
                'tools/prepare_scannet.py --superpoints'
            )
        if GRID in (points.attribute_dims or {}):
            raise ValueError(
                'LoadSuperpoints: the points already have columns for the voxel grid; '
                'put LoadSuperpoints directly after LoadPointsFromFile'
            )
        ids = np.frombuffer(get(path, backend_args=self.backend_args), dtype=np.int64)
        if len(ids) != len(points):
            raise ValueError(
                f'{path}: {len(ids)} entries for {len(points)} points in {scene_name(results)}; '
                'expected one int64 per point. Convert the scene again'
            )
        if len(ids) and not 0 <= ids.min() <= ids.max() < MAX_SUPERPOINTS:
            raise ValueError(
                f'{path}: superpoint ids span {ids.min()} to {ids.max()}; expected '
                f'0..{MAX_SUPERPOINTS - 1}. Convert the scene again'
            )
        results['points'] = add_columns(points, SUPERPOINT, ids[:, None])
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(backend_args={self.backend_args})'
