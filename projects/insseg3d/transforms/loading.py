# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Loading annotations where there are any, and checking that they belong to the points."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, Compose
from mmdet3d.registry import TRANSFORMS

from .scene import scene_name


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
