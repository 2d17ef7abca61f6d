# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Count the objects that a model finds in variants of scenes: ``benchmark_scans.py``."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from insseg3d.apis import InstanceSeg3DInferencer
from insseg3d.datasets.info_files import read_info
from insseg_scans.errors import RawDataError

from .scan_variants import VARIANTS, TrueObjects, count_found, piece_of, read_truth, variant_of

COLUMNS = ('found', 'as_reference', 'refused_if_strict', 'wrong_in_silence')


def scenes_of(data: Path, split: str) -> list[str]:
    """Return the names of the scenes of a split.

    Raises:
        FileNotFoundError: If the data have no such split.
    """
    path = data / f'scannet_infos_{split}.pkl'
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such file; expected what prepare_scannet.py writes')
    return [
        Path(info['lidar_points']['lidar_path']).stem
        for info in read_info(path.read_bytes(), str(path))['data_list']
    ]


def rows_of(
    inferencer: InstanceSeg3DInferencer,
    data: Path,
    scenes: Sequence[str],
    wanted: Sequence[str],
    piece: float,
) -> tuple[dict[str, dict[str, int]], int]:
    """Count the objects that a model finds in variants of scenes.

    Args:
        inferencer: The model.
        data: Prepared dataset in the layout of ScanNet.
        scenes: Names of the scenes.
        wanted: Keys of ``VARIANTS``.
        piece: Share of each scene along x that is handed in.

    Returns:
        A row with ``COLUMNS`` per variant, and the number of true objects.
    """
    names = list(dict.fromkeys([*(VARIANTS[name].reference for name in wanted), *wanted]))
    rows = {name: dict.fromkeys(COLUMNS, 0) for name in wanted}
    total = 0
    for scene in tqdm(scenes, unit=' scenes'):
        points, truth = piece_of(*read_truth(data, scene), piece)
        total += len(truth.labels)
        outcome = {name: handed_in(inferencer, name, points, truth) for name in names}
        for name, row in rows.items():
            (found, refused), same = outcome[name], outcome[VARIANTS[name].reference][0]
            for column, value in zip(
                COLUMNS, (found, found == same, refused, found != same and not refused)
            ):
                row[column] += int(value)
    return rows, total


def handed_in(
    inferencer: InstanceSeg3DInferencer, name: str, points: np.ndarray, truth: TrueObjects
) -> tuple[int, bool]:
    """Return the number of true objects found, and whether ``--strict`` refuses the scan."""
    try:
        result = inferencer(variant_of(name, points))
    except RawDataError:
        return 0, True
    return count_found(result, truth), any(remark.guessed for remark in result.remarks)
