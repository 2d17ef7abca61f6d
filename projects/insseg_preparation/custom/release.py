# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Converter of a folder of users' own scans into the prepared format.

It writes ``points``, ``instance_mask``, ``semantic_mask`` (one file per scan each) and
``custom_infos_{train,val,test}.pkl``. It can be stopped and restarted at any time.
"""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from insseg3d.datasets.info_files import read_info
from insseg_scans.errors import RawDataError, visible
from insseg_scans.folders import (
    ARRAY_FOLDERS,
    file_name,
    files_of,
    is_there,
    scans_in,
    stem_of,
    why_out_of_reach,
)
from insseg_scans.points.tables import ENDINGS

from ..conversion import (
    Converted,
    Report,
    SceneOutcome,
    convert_release,
    convert_unless_done,
    write_info_file,
)
from .classes import ClassList
from .scan import CustomOptions, convert_scan

SPLITS = ('train', 'val', 'test')


def prepare_custom(
    raw: Path,
    out: Path,
    classes: ClassList,
    *,
    val_share: float = 0.2,
    options: CustomOptions | None = None,
    leave_out: Sequence[Path] = (),
    workers: int = 1,
    on_start: Callable[[int], None] = lambda num_scenes: None,
    on_scene: Callable[[SceneOutcome], None] = lambda outcome: None,
    on_remark: Callable[[str], None] = lambda remark: None,
) -> Report:
    """Convert a folder of scans; scans that are already converted are kept.

    Info files of an earlier run are removed, with a remark, if their scans are now in other splits.

    Args:
        raw: Folder with scans, or with some of the folders ``train``, ``val`` and ``test`` of
            scans, or with scans and the folder ``test``. Only scans in ``test`` may lack labels.
        out: Folder of the prepared data.
        classes: The class list.
        val_share: Share of the scans outside of these folders that are assigned to val.
        options: Options for reading the scans.
        leave_out: Files that are no scans, such as the class list.
        workers: Number of processes.
        on_start: Called with the number of scans.
        on_scene: Called after every scan.
        on_remark: Called before the conversion with remarks on the folder as a whole.

    Returns:
        The report. Scans that fail do not stop the others. A scan that cannot be reached, such as a
        dead link, fails; so does a folder train, val or test that cannot be reached.

    Raises:
        RawDataError: If there are no scans, if two have the same name, if train has no object, or
            if ``out`` is inside ``raw``.
        OSError: If the target cannot be written, or if the disk is full; converted scans stay.
    """
    files = find_scans(raw, val_share=val_share, leave_out=leave_out, on_remark=on_remark)
    if raw.resolve() in (out.resolve(), *out.resolve().parents):
        raise RawDataError(
            out, 'the target lies in the folder of the scans', 'another folder', 'Change --out'
        )
    _remove_stale_infos(out, files, on_remark)
    return convert_release(
        out,
        {split: list(scans) for split, scans in files.items()},
        partial(_prepare_scan, files, out, classes, options or CustomOptions()),
        partial(_write_info, out, classes),
        workers=workers,
        on_start=on_start,
        on_scene=on_scene,
    )


def _remove_stale_infos(
    out: Path, files: dict[str, dict[str, Path]], on_remark: Callable[[str], None]
) -> None:
    """Remove info files of an earlier run whose scans are now in other splits."""
    now = {scene for scans in files.values() for scene in scans}
    for split in set(SPLITS) - files.keys():
        path = out / f'custom_infos_{split}.pkl'
        if not path.is_file():
            continue
        scenes = {
            Path(info['lidar_points']['lidar_path']).stem
            for info in read_info(path.read_bytes(), str(path))['data_list']
        }
        if scenes & now:
            path.unlink()
            on_remark(f'{path}: removed; of an earlier run; its scans are not {split} now')


def find_scans(
    raw: Path,
    *,
    val_share: float = 0.2,
    leave_out: Sequence[Path] = (),
    on_remark: Callable[[str], None] = lambda remark: None,
) -> dict[str, dict[str, Path]]:
    """Find the scans of a folder: the file of each scan, by split and name.

    Without the folders train and val, the scans whose names have the lowest SHA-256 are assigned to
    val. This does not depend on chance, and changes little if a scan is added later. Scans that
    cannot be reached are included. If the folder of a split cannot be reached, it is the only scan
    of the split.

    Raises:
        FileNotFoundError: If there is no such folder.
        RawDataError: If there are no scans, or if two have the same name.
        ValueError: If ``val_share`` is out of range.
    """
    if not raw.is_dir():
        reason = why_out_of_reach(raw, absent='no such folder') or 'no folder'
        raise FileNotFoundError(f'{raw}: {reason}; expected a folder of scans. Correct --raw')
    if not 0 <= val_share < 1:
        raise ValueError(f'--val-share {val_share:g}: expected at least 0 and less than 1')
    skipped = {os.path.realpath(path) for path in leave_out}
    folders = {split: raw / split for split in SPLITS if _is_folder(raw / split)}
    found = {split: _split_folder(path, skipped, on_remark) for split, path in folders.items()}
    loose = _scans_in(raw, skipped, on_remark)
    if loose and folders.keys() & {'train', 'val'}:
        on_remark(
            f'{raw}: passed over {len(loose)} files beside the folders {", ".join(folders)}: '
            f'{[path.name for path in loose[:5]]}; scans belong into train, val or test'
        )
        loose = []
    found = {split: paths for split, paths in found.items() if paths}
    if not found and not loose:
        raise RawDataError(
            raw,
            'no scans',
            f'files that end in {", ".join(ENDINGS)}, or {ARRAY_FOLDERS}, in it '
            'or in its folders train, val, test',
            'Export the scans as .ply, e.g. with CloudCompare',
        )
    home: dict[str, Path] = {}
    for path in (path for paths in (*found.values(), loose) for path in paths):
        if home.setdefault(_name_of(path), path) != path:
            raise RawDataError(
                path,
                f'also {home[_name_of(path)]}',
                'every scan once, by its name without ending',
                'Rename or remove one of them',
            )
    found = {**_split(loose, val_share), **found}
    return {split: {_name_of(path): path for path in paths} for split, paths in found.items()}


def _name_of(scan: Path) -> str:
    """Return the name of a scan in the prepared data."""
    stem = stem_of(scan)
    return file_name(stem, stem)


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder, or a dead link that may lead to one."""
    return is_there(path, stat.S_ISDIR) or (path.is_symlink() and not is_there(path, stat.S_ISREG))


def _split_folder(folder: Path, skipped: set[str], on_remark: Callable[[str], None]) -> list[Path]:
    """List the scans of a split's folder; if it is not readable, the folder itself fails later."""
    try:
        return _scans_in(folder, skipped, on_remark)
    except OSError:
        return [folder]


def _scans_in(folder: Path, skipped: set[str], on_remark: Callable[[str], None]) -> list[Path]:
    """List the scans directly in a folder, by name, without the folders of splits."""
    scans, others = scans_in(folder, ENDINGS, skipped)
    if others:
        names = [visible(path.name) for path in others[:5]]
        on_remark(f'{folder}: passed over {len(others)} files that are no scans: {names}')
    return [path for path in scans if not (path.name in SPLITS and path.parent == folder)]


def _split(paths: list[Path], val_share: float) -> dict[str, list[Path]]:
    """Split scans into train and val, with at least one each if there are two and a share."""
    num_val = 0
    if val_share and len(paths) > 1:
        num_val = min(max(round(val_share * len(paths)), 1), len(paths) - 1)
    drawn = sorted(paths, key=_draw)[:num_val]
    splits = {'train': [path for path in paths if path not in drawn], 'val': sorted(drawn)}
    return {split: scans for split, scans in splits.items() if scans}


def _draw(scan: Path) -> bytes:
    """Return a hash that depends only on the name of a scan."""
    return hashlib.sha256(os.fsencode(stem_of(scan))).digest()


def _prepare_scan(
    files: dict[str, dict[str, Path]],
    out: Path,
    classes: ClassList,
    options: CustomOptions,
    job: tuple[str, str],
) -> SceneOutcome:
    """Convert one scan unless it is done."""
    split, scene = job
    path = files[split][scene]
    needs_labels = split != 'test'

    def convert() -> Converted:
        scan = convert_scan(path, classes, options, needs_labels=needs_labels)
        file_name = f'{scene}.bin'
        outputs = {f'points/{file_name}': scan.points}
        info = {'lidar_points': {'num_pts_feats': 6, 'lidar_path': file_name}}
        info['instances'] = scan.boxes
        if scan.semantic is not None:
            outputs[f'instance_mask/{file_name}'] = scan.instance
            outputs[f'semantic_mask/{file_name}'] = scan.semantic
            info['pts_semantic_mask_path'] = info['pts_instance_mask_path'] = file_name
        return Converted(
            outputs=outputs,
            content={'info': info, 'has_color': scan.has_color},
            notes=scan.notes,
        )

    settings = {
        'classes': classes._asdict(),
        'needs_labels': needs_labels,
        **options._asdict(),
        'names': options.names._asdict(),
    }
    return convert_unless_done(
        out, scene, lambda: files_of(path), convert, settings=as_json(settings)
    )


def as_json(settings: dict) -> dict:
    """Convert tuples to lists, as JSON does; otherwise the settings would seem to have changed."""
    return json.loads(json.dumps(settings))


def _write_info(out: Path, classes: ClassList, split: str, records: list[dict]) -> Path:
    """Write a split's info file."""
    infos = [record['info'] for record in records]
    if split == 'train' and not any(info['instances'] for info in infos):
        raise RawDataError(
            out,
            'no object of any class in all scans of train',
            'objects to learn from',
            'Are the ids of the class list those of the scans? The remarks on each scan list '
            'its ids',
        )
    return write_info_file(
        out / f'custom_infos_{split}.pkl',
        {
            'categories': {name: label for label, name in enumerate(classes.names)},
            'dataset': 'custom',
            'without_color': sum(not record['has_color'] for record in records),
        },
        infos,
    )
