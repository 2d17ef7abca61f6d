# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure tiles on scenes of a dataset: ``benchmark_tiles.py``."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from insseg3d.apis import InstanceSeg3DInferencer, Tiling
from insseg3d.apis.files import write_files

from .memory import forget_peak_memory, peak_memory_mb
from .tile_agreement import (
    FOUND,
    SAME,
    compare_tilings,
    compare_with_whole,
    read_scene,
    share,
)


def find_scenes(data: Path, number: int | None) -> list[Path]:
    """Return the point files of the first scenes of a prepared dataset.

    Raises:
        FileNotFoundError: If there are none.
    """
    paths = sorted((data / 'points').glob('*.bin'))[:number]
    if not paths:
        raise FileNotFoundError(
            f'{data / "points"}: no .bin files; expected what prepare_scannet.py writes'
        )
    return paths


def measure_floors(
    inferencer: InstanceSeg3DInferencer,
    data: Path,
    paths: Sequence[Path],
    tiling: Tiling,
    *,
    only_memory: bool,
) -> dict:
    """Measure scenes that the model cannot be shown as a whole; print and return the figures.

    Args:
        inferencer: The model, with this tiling.
        data: The dataset.
        paths: Point files of its scenes.
        tiling: Tiles and overlap.
        only_memory: Whether to measure peak memory and seconds alone.
    """
    scenes = []
    for path in paths:
        row = from_file_to_files(inferencer, path)
        if not only_memory:
            points, truth = read_scene(data, path.stem)
            row.update(compare_tilings(inferencer, points, truth, tiling))
            print(
                f'{row["tiles"]} tiles; {row["true_objects"]} true objects of 100 points or '
                f'more; {row["objects_across"]} of the found ones across seams'
            )
            print_rows(row['rows'])
        scenes.append(row)
    return dict(scenes=scenes)


def measure_rooms(
    inferencer: InstanceSeg3DInferencer, data: Path, paths: Sequence[Path], tiling: Tiling
) -> dict:
    """Compare scenes in tiles with the same in one piece; print and return the figures.

    Args:
        inferencer: The model.
        data: The dataset.
        paths: Point files of its scenes.
        tiling: Tiles and overlap.
    """
    wholes = [
        compare_with_whole(inferencer, *read_scene(data, path.stem), tiling) for path in paths
    ]
    rows = whole_rows(wholes)
    print(f'{len(wholes)} scenes in one piece and in tiles')
    print_rows(rows)
    return dict(scenes=[{} for _ in wholes], rows=rows)


def from_file_to_files(inferencer: InstanceSeg3DInferencer, path: Path) -> dict:
    """Print and return the seconds and peak memory of all work of tools/infer.py on a scan."""
    device = next(inferencer.model.parameters()).device
    forget_peak_memory(device)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        result = inferencer(path)
        write_files(Path(folder), result, {})
    row = dict(
        points=len(result.coords),
        objects=len(result),
        seconds=time.perf_counter() - start,
        peak_memory_gb=peak_memory_mb(device) / 1000,
    )
    print(
        f'{path.name}: {row["points"]:,} points, {row["objects"]} objects, '
        f'{row["seconds"]:.0f} s, peak memory {row["peak_memory_gb"]:.2f} GB'
    )
    return row


def print_rows(rows: dict[str, tuple[int, int, float]]) -> None:
    """Print the share of objects with a least IoU, a row per comparison."""
    for name, (count, total, least) in rows.items():
        percent = f'{100 * count / total:6.1f} %' if total else '     –  '
        print(f'{name:60s}{percent}  {count} of {total} at IoU {least:g}')


def whole_rows(scenes: Sequence[dict[str, np.ndarray]]) -> dict[str, tuple[int, int, float]]:
    """Return the figures of all scenes together, from ``compare_with_whole`` of each."""
    found = {name: np.concatenate([scene[name] for scene in scenes]) for name in scenes[0]}
    return {
        'whole objects put together': share(found['together'], SAME),
        'whole objects the same in tiles': share(found['same'], SAME),
        'whole objects found again in tiles': share(found['same'], FOUND),
        'whole objects found again, across seams': share(found['same'][found['across']], FOUND),
        'true objects found in one piece': share(found['true_whole'], FOUND),
        'true objects found in tiles': share(found['true_tiled'], FOUND),
    }
