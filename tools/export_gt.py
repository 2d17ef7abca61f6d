# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Write the ground truth of a config's split as the ScanNet benchmark's text files.

    python tools/export_gt.py configs/queryis/queryis-s_1xb10-150k_scannet.py --out gt

One <scene>.txt each, one number a point: label id times 1000, plus the number of the object.
"""

import sys
from pathlib import Path

from mmdet3d.registry import DATASETS
from mmengine.config import DictAction
from tqdm import tqdm

from insseg3d.engine.command import command, command_parser, load_config
from insseg3d.evaluation.exchange import truth_ids, write_truth
from insseg_analysis.label_sets import label_set_of


@command
def main(argv=None) -> int:
    parser = command_parser(__doc__)
    parser.add_argument('config')
    parser.add_argument('--split', choices=['val', 'test'], default='val')
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='see test.py')
    args = parser.parse_args(argv)
    config = load_config(args.config, args.cfg_options)
    dataset = DATASETS.build(config[f'{args.split}_dataloader'].dataset)
    labels = label_set_of(dataset.metainfo)
    for number in tqdm(range(len(dataset)), unit='scene'):
        sample = dataset[number]['data_samples']
        scene = Path(sample.lidar_path).stem
        if sample.eval_ann_info is None:
            print(f'{sample.lidar_path}: no annotation', file=sys.stderr)
            return 1
        truth = sample.eval_ann_info
        ids = truth_ids(truth['pts_instance_mask'], truth['pts_semantic_mask'], labels)
        write_truth(args.out / f'{scene}.txt', ids)
    print(f'{args.out}: {len(dataset)} scenes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
