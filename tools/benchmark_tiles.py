# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Measure what tiles do to objects and to memory, on prepared scenes with ground truth.

    python tools/synthesize.py --layout scannet --out raw --scenes 1 --splits val=1 --corridor 60
    python tools/prepare_scannet.py --raw raw --out floor --splits val
    python tools/benchmark_tiles.py floor --model demo --tile 8 --overlap 2

A model finds no more objects in a piece than it has queries, so that a floor cannot be had as a
whole to compare with. What is compared instead:

* put together: known masks (the true ones; those that the model found) are cut by the tiles and
  put together again, with two positions of the seams. This is the stitching alone. "In one part"
  are masks that are connected by steps of 30 cm; others hold several things apart from each other,
  and nothing shows that those belong together if no tile contains them all.
* with other seams: the model's objects, and its objects with all seams half a tile further. Here
  the model sees other pieces; what it makes of those is part of the result.
* true objects: the same ones where a seam cuts them and where, with the other seams, none does.

With --whole, for scenes of no more objects than the model has queries, such as single rooms: the
model's objects in tiles against those in one piece.

Peak memory and seconds are those of the way from the file to all files of its objects.
"""

import json
import sys
from pathlib import Path

from insseg3d.apis import InstanceSeg3DInferencer, Tiling
from insseg3d.engine.command import command, command_parser
from insseg_lab.provenance import command_line, commit, machine, shown, versions
from insseg_lab.tile_report import find_scenes, measure_floors, measure_rooms


def parse_args(argv=None):
    parser = command_parser(__doc__)
    add = parser.add_argument
    add('data', type=Path, help='prepared dataset in the layout of ScanNet, made or real')
    add('--model', help='name or config (default: that inside the checkpoint)')
    add('--weights', help='checkpoint (default: the last one of that name)')
    add('--device', default='cpu')
    add('--tile', type=float, default=8.0, help='metres (%(default)g)')
    add('--overlap', type=float, default=2.0, help='metres (%(default)g)')
    add('--whole', action='store_true', help='compare with the scenes in one piece')
    add('--only-memory', action='store_true', help='nothing but peak memory and seconds')
    add('--scenes', type=int, help='only the first so many')
    add('--json', help='also write the figures to this file')
    return parser.parse_args(argv)


@command
def main(argv=None):
    args = parse_args(argv)
    tiling = Tiling(args.tile, args.overlap)
    inferencer = InstanceSeg3DInferencer(args.model, args.weights, args.device, tiling=tiling)
    paths = find_scenes(args.data, args.scenes)
    words = sys.argv[1:] if argv is None else argv
    report = dict(
        command=command_line(['python', 'tools/benchmark_tiles.py', *words]),
        weights=shown(Path(inferencer.weights).resolve()),
        tile=args.tile,
        overlap=args.overlap,
        machine=machine(args.device),
        commit=commit(),
        versions=versions(),
    )
    if args.whole and not args.only_memory:
        report |= measure_rooms(inferencer, args.data, paths, tiling)
    else:
        options = dict(only_memory=args.only_memory)
        report |= measure_floors(inferencer, args.data, paths, tiling, **options)
    if args.json:
        Path(args.json).write_text(json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
