# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure whether the queries of a model read the scene, on the config's test scenes.

    python tools/probe.py CONFIG CHECKPOINT --out probe.json

* variance over scenes: that of a query's mask embedding, divided by the variance between queries,
  for each output of the decoder. 0 means that the queries are static filters.
* best IoU: that of each object with the most similar mask of the last output, whatever its score.
  "averaged" are the same queries, each with its mean mask embedding over all scenes: the less IoU
  they lose, the less the queries read the scene. "linear" is one linear mask per object, fitted to
  the object on the model's own mask features: what queries could reach without other features.
* memory: how much the points differ that the neck makes of a scene, averaged over scenes.

insseg_lab/probes.py defines all figures. The scenes need ground truth.
"""

import json
import sys
from pathlib import Path

from mmdet3d.registry import DATASETS
from mmengine.config import DictAction

from insseg3d.apis import load_model
from insseg3d.apis.model_index import find_config
from insseg3d.engine.command import command, command_parser, load_config
from insseg_lab.probes import NO_NECK, annotated, probe_model
from insseg_lab.provenance import command_line, commit, versions


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('config', help='name or path')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--out', type=Path, help='also write the figures to this JSON file')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='see test.py')
    return parser.parse_args(argv)


def table(report):
    """Return the figures as text."""
    lines = [f'{report["scenes"]} scenes, {report["objects"]} objects']
    lines.append('variance over scenes / variance between queries')
    for number, value in enumerate(report['scene_variance']):
        figure = '–' if value is None else f'{value:.3f}'
        lines.append(f'  output {number:<21d}{figure:>8s}')
    lines.append(f'{"best IoU of each object":30s}{"mean":>8s}{"> 0.5":>10s}{"> 0.75":>10s}')
    for name, row in report['best_iou'].items():
        shares = ''.join(f'{100 * row[key]:8.1f} %' for key in ('over_0.5', 'over_0.75'))
        lines.append(f'  {name:28s}{row["mean"]:8.3f}{shares}')
    if report['memory'] is None:
        return '\n'.join([*lines, f'memory: {NO_NECK}'])
    names = dict(cosine='mean cosine', effective_rank='effective rank', share='|S - mean| / |S|')
    lines.append('memory')
    lines += [f'  {names[key]:28s}{value:8.3f}' for key, value in report['memory'].items()]
    return '\n'.join(lines)


@command
def main(argv=None):
    args = parse_args(argv)
    config = load_config(find_config(args.config), args.cfg_options)
    model, _ = load_model(config, args.checkpoint, args.device)
    report = probe_model(model, DATASETS.build(annotated(config)))
    print(table(report))
    if args.out:
        words = sys.argv[1:] if argv is None else argv
        report = dict(
            command=command_line(['python', 'tools/probe.py', *words]),
            commit=commit(),
            versions=versions(),
            **report,
        )
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
