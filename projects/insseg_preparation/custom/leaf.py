# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Describe a dataset of users' own scans, and write a config that trains on it."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from insseg3d.datasets.info_files import read_info
from insseg3d.engine.installed import index_folder

CONFIGS = (index_folder() / 'configs').resolve()  # in a checkout behind a link


class Model(NamedTuple):
    """A model and the settings of its leaf.

    Attributes:
        title: Name of the method.
        schedule: Fragment of the schedule.
        no_object: Weight of "no object" in the class loss.
        more: Further settings of the head that depend on the number of classes.
    """

    title: str
    schedule: str
    no_object: float
    more: str = ''

    def bases(self, name: str) -> tuple[str, ...]:
        """Return the fragments of the leaf of the model of this name, below ``configs/_base_``."""
        return (
            f'models/{name}.py',
            'datasets/custom.py',
            f'schedules/{self.schedule}.py',
            'default_runtime.py',
        )


MODELS = {
    'queryis-s': Model('3D-QueryIS-S', 'adamw-poly_150k', 0.1),
    'queryis-plus-s': Model(
        '3D-QueryIS+-S',
        'adamw-poly-slow-head_150k',
        0.5,
        ',\n    features=dict(pointwise=dict(num_classes={num_classes}, num_stuff=0))',
    ),
}
"""Models for which a leaf can be written, by the name of their fragment."""
QUERIES = 100  # of each of these models
LEAF = """\
# {title} on own scans with a short schedule; written by tools/prepare_custom.py.
_base_ = [
    {bases}
]
data = dict(data_root={root!r},
            classes={classes!r})
train_dataloader = dict(batch_size=4, num_workers=2, dataset={train})
val_dataloader = dict(dataset={val})
test_dataloader = val_dataloader
model = dict(decode_head=dict(
    num_classes={num_classes}, ranking=dict(min_points=30),
    loss_cls=dict(class_weight=[1.0] * {num_classes} + [{no_object}]){more}{decoder}))
val_evaluator = dict(min_points=30)  # 100 on ScanNet; sparse scans have smaller objects
test_evaluator = val_evaluator
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=20000)]
train_cfg = dict(max_iters=20000, val_interval=2000)
"""


def read_infos(out: Path) -> dict[str, dict]:
    """Return the content of each split's info file."""
    paths = {split: out / f'custom_infos_{split}.pkl' for split in ('train', 'val', 'test')}
    return {split: read_info(p.read_bytes(), str(p)) for split, p in paths.items() if p.is_file()}


def describe(out: Path, classes: Sequence[str]) -> str:
    """Return a table of scans and objects, with warnings to read before training."""
    infos = read_infos(out)
    counts = {
        split: Counter(
            classes[box['bbox_label_3d']]
            for scene in info['data_list']
            for box in scene['instances']
        )
        for split, info in infos.items()
    }
    width = max(len('scans'), *map(len, classes))
    lines = [' ' * width + ''.join(f'{split:>8}' for split in infos)]
    lines += [f'{"scans":{width}}' + ''.join(f'{len(i["data_list"]):8}' for i in infos.values())]
    lines += [
        f'{name:{width}}' + ''.join(f'{counts[split][name]:8}' for split in infos)
        for name in classes
    ]
    for split in counts.keys() & {'train', 'val'}:
        lines += [f'No {name} in {split}' for name in classes if not counts[split][name]]
    most = most_objects(infos)
    if most > QUERIES:
        lines.append(f'A scan has {most} objects: a config needs more than {QUERIES} queries')
    return '\n'.join(lines)


def most_objects(infos: dict[str, dict]) -> int:
    """Return the number of objects in the scan that has most."""
    return max(len(s['instances']) for info in infos.values() for s in info['data_list'])


def dataset(split: str, infos: dict[str, dict], voxel_size: float | None) -> str:
    """Return the dataset of a split as code: ``data``, with all that differs from the base."""
    parts = ['data']
    if split not in infos:
        parts.append("ann_file='custom_infos_train.pkl'")
    without_color = infos['train']['metainfo']['without_color']
    if without_color == len(infos['train']['data_list']):
        drop = "dict(type='DropColor', prob=1.0), "
    else:
        drop = "dict(type='DropColor', prob=0.5), " if without_color and split == 'train' else ''
    if drop or voxel_size:
        kind, pack = ('train', 'pack') if split == 'train' else ('test', 'pack_points')
        voxels = '_base_.voxels'
        if voxel_size:
            voxels = f"dict(type='AddVoxelTables', voxel_size={voxel_size:g})"
        # Colours are dropped last, after every transform that reads them.
        parts.append(
            f'pipeline=[\n    *_base_.{kind}_transforms, {drop}_base_.{pack},\n    {voxels}]'
        )
    return f'dict({", ".join(parts)})' if len(parts) > 1 else 'data'


def write_leaf(
    path: Path, out: Path, *, model: str = 'queryis-s', voxel_size: float | None = None
) -> bool:
    """Write a config that trains on prepared data, unless a different one exists.

    Args:
        path: The config.
        out: Folder of the prepared data.
        model: Name of the model, one of ``MODELS``.
        voxel_size: Edge of a voxel in metres; None: as in the base.

    Returns:
        False if a different config was found and left alone.

    Raises:
        ValueError: If no scan is for training.
    """
    infos = read_infos(out)
    if 'train' not in infos:
        raise ValueError(
            f'{path} was not written: found scans of {", ".join(infos)} only; expected some of '
            'train. Put labelled scans into --raw itself, or into its folder train'
        )
    classes = list(infos['train']['metainfo']['categories'])
    folder = path.resolve().parent
    configs = CONFIGS  # as it is seen from the leaf, if that lies in the same repository
    if folder.is_relative_to(CONFIGS.parent):
        configs = Path(os.path.relpath(CONFIGS, folder))
    queries = -(-3 * most_objects(infos) // 100) * 50  # half as many again as objects, in fifties
    chosen = MODELS[model]
    decoder = f',\n    decoder=dict(queries=dict(num_queries={queries}))'
    leaf = LEAF.format(
        title=chosen.title,
        bases='\n    '.join(f'{str(configs / "_base_" / base)!r},' for base in chosen.bases(model)),
        root=str(out.resolve()),
        classes=classes,
        num_classes=len(classes),
        no_object=chosen.no_object,
        more=chosen.more.format(num_classes=len(classes)),
        train=dataset('train', infos, voxel_size),
        val=dataset('val', infos, voxel_size),
        decoder=decoder if most_objects(infos) > QUERIES else '',
    )
    if path.exists() and path.read_text() != leaf:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(leaf)
    return True
