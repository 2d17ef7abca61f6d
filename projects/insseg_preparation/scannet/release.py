# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of a raw ScanNet v2 release into mmdetection3d's prepared format.

It writes ``points``, ``instance_mask``, ``semantic_mask`` (one file per scene each), ``seg_info``
and ``scannet_infos_{train,val,test}.pkl``. It can be stopped and restarted at any time.

With the label set scannet200, the info files are called ``scannet200_infos_…``, and ``seg_info``,
which mmdetection3d does not use there, is not written. With superpoints, it also writes
``super_points``.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from insseg3d.datasets.scannet import ScanNetInsSegDataset
from insseg_scans.errors import RawDataError

from ..conversion import (
    Converted,
    Report,
    SceneOutcome,
    convert_release,
    convert_unless_done,
    write_info_file,
)
from ..seg_info import write_seg_info
from .labels import LABEL_SETS, LabelSet, read_stored_ids
from .raw import LABEL_MAP, SceneFiles, find_scene, find_side_file, read_split
from .scene import convert_scene

SPLITS = ('train', 'val', 'test')
_LIST_REMEDY = 'It is in ScanNet’s code repository, folder Tasks/Benchmark: copy it there'
_TSV_REMEDY = 'It comes with the release: download it'


def prepare_scannet(
    raw: Path,
    out: Path,
    *,
    splits: Sequence[str] | None = None,
    label_set: str = 'scannet',
    superpoints: bool = False,
    workers: int = 1,
    on_start: Callable[[int], None] = lambda num_scenes: None,
    on_scene: Callable[[SceneOutcome], None] = lambda outcome: None,
) -> Report:
    """Convert a release; scenes that are already converted are kept.

    Args:
        raw: Folder with ``scans``, ``scans_test``, the split lists ``scannetv2_<split>.txt`` and
            the label map ``scannetv2-labels.combined.tsv``.
        out: Folder of the prepared data.
        splits: Some of 'train', 'val', 'test'; None takes those with a list in ``raw``. Scenes
            of 'test' have no labels.
        label_set: 'scannet' (nyu40 ids, 18 classes) or 'scannet200' (198 classes). Each needs its
            own folder.
        superpoints: Whether to write the over-segments too: ``super_points/<scene>.bin``, one
            int64 per point, with the info key ``super_pts_path``.
        workers: Number of processes.
        on_start: Called with the number of scenes.
        on_scene: Called after every scene.

    Returns:
        The report. Scenes that fail do not stop the others.

    Raises:
        FileNotFoundError: If a split list or the label map is missing.
        RawDataError: If one of them cannot be used, or if ``out`` contains the other label set.
        OSError: If the target cannot be written, or if the disk is full; converted scenes stay.
    """
    chosen = LABEL_SETS[label_set]
    _refuse_other_label_set(out, chosen)
    scenes = _scenes_of_splits(raw, splits)
    label_map_path = None
    if set(scenes) - {'test'}:
        label_map_path = find_side_file(raw, LABEL_MAP, _TSV_REMEDY)
        read_stored_ids(label_map_path, chosen)  # fails before the first scene if it is broken
    return convert_release(
        out,
        scenes,
        partial(_prepare_scene, raw, out, chosen, label_map_path, superpoints),
        partial(_write_info, out, chosen),
        workers=workers,
        on_start=on_start,
        on_scene=on_scene,
    )


def _refuse_other_label_set(out: Path, label_set: LabelSet) -> None:
    """Refuse to overwrite the masks of the other label set."""
    for other in LABEL_SETS.values():
        infos = sorted(out.glob(f'{other.name}_infos_*.pkl'))
        if infos and other is not label_set:
            raise RawDataError(
                infos[0],
                f'this folder holds the label set {other.name}',
                f'one for {label_set.name}',
                'Give another --out, or remove that dataset',
            )


def _scenes_of_splits(raw: Path, splits: Sequence[str] | None) -> dict[str, list[str]]:
    """Read the scenes of each split.

    Raises:
        ValueError: If a split is unknown.
        FileNotFoundError: If a list is missing.
        RawDataError: If lists are empty, or if a scene is in two splits.
    """
    unknown = set(splits or ()) - set(SPLITS)
    if unknown:
        raise ValueError(f'unknown splits {sorted(unknown)}; expected some of {SPLITS}')
    paths = {}
    for split in splits or SPLITS:
        try:
            paths[split] = find_side_file(raw, f'scannetv2_{split}.txt', _LIST_REMEDY)
        except FileNotFoundError:
            if splits or (split == SPLITS[-1] and not paths):
                raise
    scenes = {split: read_split(path) for split, path in paths.items()}
    for split in [split for split, names in scenes.items() if not names]:
        if splits:
            raise RawDataError(
                paths[split], 'no scene', 'one scene per line', 'Leave the split out'
            )
        del scenes[split]
    if not scenes:
        raise RawDataError(raw, 'split lists without scenes', 'one scene per line', _LIST_REMEDY)
    home: dict[str, str] = {}
    for split, names in scenes.items():
        for name in names:
            if home.setdefault(name, split) != split:
                raise RawDataError(
                    raw,
                    f'{name} is in the lists of {home[name]} and {split}',
                    'every scene in one split',
                    'Remove it from one list',
                )
    return scenes


def _prepare_scene(
    raw: Path,
    out: Path,
    label_set: LabelSet,
    label_map_path: Path | None,
    superpoints: bool,
    job: tuple[str, str],
) -> SceneOutcome:
    """Convert one scene unless it is done."""
    split, scene = job
    with_labels = split != 'test'

    def files() -> SceneFiles:
        return find_scene(raw, scene, with_labels=with_labels, superpoints=superpoints)

    def find() -> list[Path]:
        sources = files().paths()
        return [*sources, label_map_path] if with_labels else sources

    def convert() -> Converted:
        ids = read_stored_ids(label_map_path, label_set) if with_labels else {}
        converted = convert_scene(files(), ids, label_set.class_of_id, superpoints=superpoints)
        outputs = {f'points/{scene}.bin': converted.points}
        counts = None
        if with_labels:
            outputs[f'instance_mask/{scene}.bin'] = converted.instance
            outputs[f'semantic_mask/{scene}.bin'] = converted.semantic
            counts = np.bincount(converted.semantic, minlength=41).tolist()
        if converted.superpoints is not None:
            outputs[f'super_points/{scene}.bin'] = converted.superpoints
        content = {'info': converted.info, 'semantic_counts': counts}
        return Converted(outputs=outputs, content=content, notes=converted.notes)

    settings = {'label_set': label_set.name, 'superpoints': superpoints}
    return convert_unless_done(out, scene, find, convert, settings=settings)


def _write_info(out: Path, label_set: LabelSet, split: str, records: list[dict]) -> Path:
    """Write a split's info file and, with labels of nyu40, the arrays of ``seg_info``."""
    if split != 'test' and label_set.name == 'scannet':
        counts = np.array([record['semantic_counts'] for record in records])
        ids = [1, 2, *ScanNetInsSegDataset.METAINFO['seg_valid_class_ids']]  # wall, floor, ours
        write_seg_info(out, split, counts.sum(axis=1), counts[:, ids], points_per_sample=8192)
    return write_info_file(
        out / f'{label_set.name}_infos_{split}.pkl',
        {
            'categories': {name: label for label, name in enumerate(label_set.class_names)},
            'dataset': label_set.name,
        },
        [record['info'] for record in records],
    )
