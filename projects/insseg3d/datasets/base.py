# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Base class of the instance segmentation datasets."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from mmdet3d.datasets import Seg3DDataset
from mmengine.fileio import get

from .info_files import check_info

DATA_PREFIX = {
    'pts': 'points',
    'pts_instance_mask': 'instance_mask',
    'pts_semantic_mask': 'semantic_mask',
    'sp_pts_mask': 'super_points',
}
"""Folders of data in mmdetection3d's format, relative to ``data_root``."""


class InsSegDataset(Seg3DDataset):
    """Base class of datasets: scenes with instance annotations in mmdetection3d's format.

    A subclass defines ``METAINFO``: ``classes`` (K names), ``palette`` (K colours),
    ``seg_valid_class_ids`` (the K stored semantic ids, in the order of the classes) and
    ``seg_all_class_ids`` (every id that may occur, and at least one that is not a class). If the
    dataset labels surfaces of the room that are not objects, it also defines ``stuff_classes``
    and ``seg_stuff_class_ids``, their names and stored ids, for ``LabelStuff``.

    Differences to mmdetection3d's datasets:

    * neither ``metainfo`` nor ``scene_idxs`` is required;
    * a ``metainfo`` with fewer classes also applies to the loaded labels;
    * the sizes of files are compared before they are read;
    * if the index comes from ``DrawSampler``, ``results['draw']`` is the draw of the sample.

    Args:
        data_root: Folder of the prepared data.
        ann_file: Info file, relative to ``data_root``.
        metainfo: ``dict(classes=…)`` to use only these of the dataset's classes.
        data_prefix: Folders of points, masks and superpoints, relative to ``data_root``. Defaults:
            ``points``, ``instance_mask``, ``semantic_mask``, ``super_points``.
        pipeline: Transforms.
        test_mode: Whether annotations are used for evaluation (``eval_ann_info``), not for a loss.
        indices: Number of scenes to use, from the first on; or the indices of the scenes.
        serialize_data: Keep the infos as one block of bytes that workers share.
        backend_args: Storage backend of the files, see mmengine.
    """

    def __init__(
        self,
        data_root: str | None = None,
        ann_file: str = '',
        metainfo: dict | None = None,
        data_prefix: dict | None = None,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        indices: int | Sequence[int] | None = None,
        serialize_data: bool = False,
        backend_args: dict | None = None,
    ) -> None:
        metainfo = dict(metainfo or {})
        metainfo['classes'] = tuple(metainfo.get('classes', self.METAINFO['classes']))
        super().__init__(
            data_root=data_root,
            ann_file=ann_file,
            metainfo=metainfo,
            data_prefix=dict(DATA_PREFIX, **(data_prefix or {})),
            pipeline=list(pipeline),
            ignore_index=len(metainfo['classes']),
            test_mode=test_mode,
            indices=indices,
            serialize_data=serialize_data,
            backend_args=backend_args,
        )

    def get_seg_label_mapping(self, metainfo: dict | None = None) -> np.ndarray:
        """Make the table from stored semantic ids to [0, K]; K marks ids that are not a class.

        Args:
            metainfo: Dict with ``seg_valid_class_ids``; None selects ``METAINFO``.

        Returns:
            ``(highest id + 1,)`` int64.

        Raises:
            ValueError: Every id is a class, which leaves none for ignored points.
        """
        class_ids = (metainfo or self.METAINFO)['seg_valid_class_ids']
        table = np.full(max(self.METAINFO['seg_all_class_ids']) + 1, len(class_ids), dtype=np.int64)
        table[list(class_ids)] = np.arange(len(class_ids))
        if table.max() < len(class_ids):  # transforms take the ignored label from the maximum
            raise ValueError(
                f'{type(self).__name__}.METAINFO: all seg_all_class_ids are classes; expected '
                'one more id that is not a class, such as the number of classes. Add it'
            )
        return table

    def load_data_list(self) -> list[dict]:
        """Load the info file after checking that it holds data only and cannot run code.

        Raises:
            FileNotFoundError: There is no such file. The message explains how to prepare it.
            ValueError: The file is damaged, has another layout, or holds more than data.
        """
        if self.backend_args is None and not os.path.isfile(self.ann_file):
            raise FileNotFoundError(
                f'{self.ann_file}: not found; expected the info file of a split. Prepare the data '
                '(tools/prepare_*.py, see docs/data.md), or set $INSSEG3D_DATA or data_root to '
                'their folder'
            )
        check_info(get(self.ann_file), str(self.ann_file))
        return super().load_data_list()

    def parse_data_info(self, info: dict) -> dict:
        """Make the paths in a scene's info absolute, including the optional superpoint file."""
        info = super().parse_data_info(info)
        if 'super_pts_path' in info:
            info['super_pts_path'] = os.path.join(
                self.data_prefix['sp_pts_mask'], info['super_pts_path']
            )
        return info

    def prepare_data(self, idx: int) -> Any:
        """Run the pipeline on one scene.

        Args:
            idx: Index of the scene; a ``DrawIndex`` also carries the draw.

        Raises:
            ValueError: A points or mask file is cut off, or the files do not belong together.
        """
        info = self.get_data_info(int(idx))
        check_file_sizes(info)
        info['draw'] = getattr(idx, 'draw', None)
        info['stuff_class_ids'] = self.METAINFO.get('seg_stuff_class_ids', ())
        if not self.test_mode:
            info['dataset'] = self
        return self.pipeline(info)


def check_file_sizes(info: dict) -> None:
    """Compare the sizes of a scene's files: points are float32, the others one int64 per point.

    Missing files and files on other machines are skipped; reading them raises the error.

    Args:
        info: Info of a scene, with absolute paths.

    Raises:
        ValueError: The sizes do not match. The message names the file and both sizes.
    """
    points_path, num_feats = info['lidar_path'], info.get('num_pts_feats', 6)
    if not os.path.isfile(points_path):
        return
    num_bytes = os.path.getsize(points_path)
    num_points, rest = divmod(num_bytes, 4 * num_feats)
    if rest:
        raise ValueError(
            f'{points_path}: {num_bytes} bytes; expected a multiple of {4 * num_feats}, '
            f'{num_feats} float32 values per point. The file is cut off: convert the scene again'
        )
    for key in ('pts_instance_mask_path', 'pts_semantic_mask_path', 'super_pts_path'):
        path = info.get(key)
        if path is None or not os.path.isfile(path):
            continue
        num_bytes = os.path.getsize(path)
        if num_bytes != 8 * num_points:
            raise ValueError(
                f'{path}: {num_bytes} bytes, that is {num_bytes / 8:g} int64 values; expected '
                f'{num_points}, one for each point of {points_path}. One of the two files is cut '
                'off or belongs to another scene: convert the scene again'
            )
