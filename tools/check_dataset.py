# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Look at a config's data before a training does.

    python tools/check_dataset.py configs/queryis/queryis-s_1xb10-150k_scannet.py

sends every scene of every split through the config's own pipeline and prints what it found: sizes,
units, density, colours, labels, objects of each class, and what would spoil a training, with the
remedy. Builds the model as well, which compares its settings per class. Exit status 1 if something
would. Writes into --out: distributions.png and
class_statistics.json (points and radius of an object of each class, from the first split, and
the tables that configs of grouping methods hold).
"""

import json
import os
import sys
from pathlib import Path

from mmdet3d.registry import DATASETS, MODELS
from mmengine.config import Config, ConfigDict, DictAction
from tqdm import tqdm

from insseg3d.apis.config_text import values_of
from insseg3d.engine.command import command_parser, load_config
from insseg_analysis.dataset import (
    Expectations,
    Finding,
    class_statistics,
    class_table,
    class_tables,
    find_problems,
    findings_text,
    gather_facts,
    summary_table,
)
from insseg_analysis.dataset.plots import save_distributions

SPLITS = ('train', 'val', 'test')


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('config', type=Path)
    parser.add_argument('--splits', nargs='+', choices=SPLITS, default=SPLITS)
    parser.add_argument('--scenes', type=int, help='look at so many of each split (default: all)')
    parser.add_argument('--out', type=Path, help='default: work_dirs/<config>/data')
    parser.add_argument('--workers', type=int, default=min(os.cpu_count() or 1, 8))
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='as of train.py')
    return parser.parse_args(argv)


def data_configs(config: Config, splits: list[str]) -> dict[str, ConfigDict]:
    """Split → its data set's config; a test split that is the val split is left out."""
    found = {}
    for split in splits:
        loader = config.get(f'{split}_dataloader')
        if loader is not None and loader['dataset'] not in found.values():
            found[split] = loader['dataset']
    return found


def expectations(config: Config, data: ConfigDict, dataset, split: str) -> Expectations:
    """What the config's model and pipeline expect of a split."""
    while hasattr(dataset, 'dataset'):
        dataset = dataset.dataset
    ids = dataset.metainfo.get('seg_all_class_ids')
    queries = list(values_of(config.get('model'), 'num_queries'))
    classes = list(values_of(config.get('model'), 'num_classes'))
    voxels = list(values_of(data, 'voxel_size'))
    return Expectations(
        classes=dataset.metainfo['classes'],
        class_ids=None if ids is None else frozenset(ids),
        model_classes=classes[0] if classes else None,
        num_queries=max(queries) if queries else None,
        voxel_size=voxels[-1] if voxels else None,
        is_training=split == 'train',
        drops_color='DropColor' in values_of(data, 'type'),
    )


def model_findings(config: Config) -> list[Finding]:
    """Report a model that cannot be built."""
    try:
        if config.get('model') is not None:
            MODELS.build(config.model)
    except Exception as error:  # whatever a part of anybody's raises
        reason = ' '.join(str(error).split()) or type(error).__name__
        return [
            Finding(
                'error',
                'model',
                f'it cannot be built: {reason}',
                'The "tables" of class_statistics.json have an entry for each class of these data',
            )
        ]
    return []


def main(argv=None) -> int:
    args = parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    out = args.out or Path('work_dirs', args.config.stem, 'data')
    facts, statistics, findings = {}, {}, model_findings(config)
    wanted = data_configs(config, args.splits)
    if not wanted:
        print(f'{args.config}: none of {", ".join(args.splits)} has data', file=sys.stderr)
        return 1
    for split, data in wanted.items():
        try:
            dataset = DATASETS.build(data)
        except (OSError, ValueError, KeyError) as error:
            print(f'{split}: the data set cannot be built: {error}', file=sys.stderr)
            findings.append(
                Finding(
                    'error',
                    split,
                    f'the data set cannot be built: {error}',
                    'Nothing of this split was looked at; run this again when it is mended',
                )
            )
            continue
        expected = expectations(config, data, dataset, split)
        scenes = gather_facts(dataset, workers=args.workers, limit=args.scenes)
        total = min(len(dataset), args.scenes or len(dataset))
        facts[split] = list(tqdm(scenes, total=total, desc=split, unit='scene'))
        statistics[split] = class_statistics(facts[split], expected.classes)
        findings += find_problems(split, facts[split], expected)
    if not facts:
        print(findings_text(findings))
        return 1
    print(summary_table(facts))
    print(class_table(statistics))
    print(findings_text(findings))
    save_distributions(out / 'distributions.png', facts, expected)
    first = next(iter(statistics))
    (out / 'class_statistics.json').write_text(
        json.dumps(
            {
                'split': first,
                'scenes': len(facts[first]),
                'classes': statistics[first],
                'tables': class_tables(statistics[first]),
            },
            indent=2,
        )
    )
    print(f'Written: {out / "distributions.png"}, {out / "class_statistics.json"}')
    return 1 if any(finding.level == 'error' for finding in findings) else 0


if __name__ == '__main__':
    sys.exit(main())
