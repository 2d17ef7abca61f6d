# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Labelled scans to be measured, from a folder of prepared data."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from insseg3d.datasets.info_files import read_info
from insseg3d.datasets.scannet import ScanNetInsSegDataset

FLOOR = 2
WALL = 1
"""Ids of nyu40."""
CLASSES = dict(
    zip(
        ScanNetInsSegDataset.METAINFO['seg_valid_class_ids'],
        ScanNetInsSegDataset.METAINFO['classes'],
    )
)
"""Names of the 18 classes by their nyu40 ids."""


class LabelledScan(NamedTuple):
    """A scan with labels.

    Attributes:
        name: Name of the scene.
        points: ``(P, 3)`` metres, z up.
        colors: ``(P, 3)`` in [0, 1].
        semantic: ``(P,)`` nyu40 ids, 0 for none.
        instance: ``(P,)``, 0 for none.
    """

    name: str
    points: np.ndarray
    colors: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray

    def objects(self, ids: tuple[int, ...]) -> Iterator[tuple[int, np.ndarray]]:
        """Yield class id and points of each annotated object of some classes."""
        for number in np.unique(self.instance[self.instance > 0]):
            inside = np.flatnonzero(self.instance == number)
            kind = int(np.bincount(self.semantic[inside]).argmax())
            if kind in ids:
                yield kind, inside


def read_scans(root: Path, split: str = 'val', limit: int | None = None) -> Iterator[LabelledScan]:
    """Read the scans of a split that ``tools/prepare_scannet.py`` has prepared.

    Args:
        root: Folder of the prepared data.
        split: Name of the split.
        limit: Number of scans, at most; None for all.

    Raises:
        FileNotFoundError: There is no such split.
        ValueError: Its index cannot be read, or may run code.
    """
    index = root / f'scannet_infos_{split}.pkl'
    if not index.is_file():
        raise FileNotFoundError(
            f'{index}: no such file; expected the data of tools/prepare_scannet.py, with --split '
            'train or val'
        )
    records = read_info(index.read_bytes(), str(index))['data_list']
    for record in records[:limit]:
        points = np.fromfile(root / 'points' / record['lidar_points']['lidar_path'], np.float32)
        points = points.reshape(-1, 6)
        semantic, instance = (
            np.fromfile(root / f'{kind}_mask' / record[f'pts_{kind}_mask_path'], np.int64)
            for kind in ('semantic', 'instance')
        )
        name = Path(record['lidar_points']['lidar_path']).stem
        yield LabelledScan(name, points[:, :3], points[:, 3:] / 255, semantic, instance)
