# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Loading annotations where there are any, checking that they fit the points; superpoints."""

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
    """Run some transforms on annotated scenes only, so that one test pipeline serves all.

    A scene counts as annotated if its info names mask files. For others (the benchmark's test
    split, a bare points file) nothing runs, and ``eval_ann_info`` is taken away, so that the
    packed sample's is None: there is nothing to evaluate against.

    Args:
        transforms: what to run, in order.

    Raises:
        ValueError: the info names one of the two mask files but not the other.
    """

    def __init__(self, transforms: Sequence[dict | BaseTransform]) -> None:
        self.transforms = Compose(
            [TRANSFORMS.build(t) if isinstance(t, dict) else t for t in transforms]
        )

    def transform(self, results: dict) -> dict:
        """Run the transforms, or pass the scene on."""
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
    """Stop where masks do not belong to the points, or hold ids that the data set does not know.

    To be put between ``LoadAnnotations3D`` and ``PointSegClassMapping``: the latter would fail
    with an index error, or take a negative id for the last class.

    Raises:
        ValueError: naming file, what was found, what was expected.
    """

    def transform(self, results: dict) -> dict:
        """Check, and return the scene unchanged."""
        num_points = len(results['points'])
        for key in ('pts_instance_mask', 'pts_semantic_mask'):
            if len(results[key]) != num_points:
                raise ValueError(
                    f'{results[f"{key}_path"]}: {len(results[key])} entries for {num_points} '
                    f'points in {scene_name(results)}; expected one int64 per point. '
                    'One of the two files is cut off or of another scene: convert the scene again'
                )
        semantic, highest = results['pts_semantic_mask'], len(results['seg_label_mapping']) - 1
        if num_points and not (semantic.min() >= 0 and semantic.max() <= highest):
            wrong = np.unique(semantic[(semantic < 0) | (semantic > highest)])
            raise ValueError(
                f'{results["pts_semantic_mask_path"]}: semantic ids {wrong[:5].tolist()}; expected '
                f'0..{highest}. Is the file of another data set or label set?'
            )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class LoadSuperpoints(BaseTransform):
    """Load each point's superpoint; put it right behind ``LoadPointsFromFile``.

    The ids travel with the points as one further column, so that whatever drops points keeps
    them aligned; ``AddVoxelTables`` takes the column off again and adds
    ``voxels.point2superpoint``, consecutive ids for pooling.

    The scene's info names the file, ``super_pts_path``: one int64 in [0, 2**24) a point.

    Args:
        backend_args: where files are read from, see mmengine.

    Raises:
        ValueError: the info names no file; the file does not belong to the points, or holds ids
            out of range; or columns for the voxel grid were added before.
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
                'put LoadSuperpoints right behind LoadPointsFromFile'
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
