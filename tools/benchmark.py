# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure speed and memory. Run it while nothing else runs.

    python tools/benchmark.py speed configs/queryis/queryis-s_1xb10-150k_scannet.py [CONFIG ...]

times predictions, batch 1, stage by stage as in the paper's Table 5, over made rooms of 150k points
(or the scans of --scans DIR), then over scenes of 25k points to 1M (400k on a CPU); counts
parameters and operations. Unless --forward-only, also the backbone's forward and forward + backward
by themselves, neighbour tables included. --json FILE writes one entry a config, and into
FILE.details.json what has no place there: spread, operations, the curve, machine and options.

    python tools/benchmark.py data configs/queryis/queryis-s_1xb10-150k_scannet.py

times the training and the test pipeline, transform by transform, on such a scan with made labels,
and what a data loader with several processes makes of the training pipeline.

    python tools/benchmark.py infer --model demo

times the way from a .ply of 150k points (a made room, or --scan FILE) to the labelled .ply, the
tables and the page, as tools/infer.py goes it, after loading the model.

    python tools/benchmark.py eval

times the metric on made predictions, beside mmdetection3d's own function on the same masks.

    python tools/benchmark.py view

turns a page with a made scene of 300k points in a headless Chromium that draws in software: frames
a second, with and without drawing fewer points in motion; size of the page; seconds to load it.
Needs Chromium, its driver and the extra "test".
"""

import json
import sys
from pathlib import Path

import torch

from insseg3d.engine.command import command_parser
from insseg_lab.provenance import command_line
from insseg_lab.speed import inference, metric, page, pipelines, predictions

COMMANDS = dict(speed=predictions, data=pipelines, infer=inference, eval=metric, view=page)


def parse_args(argv=None):
    parser = command_parser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=module.HELP)
        command.set_defaults(run=module.run)
        module.add_arguments(command)
    return parser.parse_args(argv)


def main(argv=None):
    args = parse_args(argv)
    words = sys.argv[1:] if argv is None else argv
    args.command_line = command_line(['python', 'tools/benchmark.py', *words])
    if args.threads:
        torch.set_num_threads(args.threads)
    for written in (args.json, getattr(args, 'plot', None)):
        if written:  # now, lest a long measurement end without a place
            Path(written).parent.mkdir(parents=True, exist_ok=True)
    report = args.run(args)
    if args.json:
        with open(args.json, 'w') as file:
            json.dump(report, file, indent=2)


if __name__ == '__main__':
    main()
