# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Test and time this project on a GPU, in a given number of minutes.

    python tools/gpu_check.py --minutes 8 --out results/gpu

runs, the most important first: tools/doctor.py, the tests marked gpu, predictions of all methods
(float32, TF32, autocast, each backend), iterations of trainings by batch size, and a training with
the time that is left. Each part has a time limit, and DIR/DEVICE.json and DIR/DEVICE.txt are
written after each. It also runs from a checkout whose packages are only on PYTHONPATH. Exit status:
0; 1 if a part failed; 2 if there is no GPU.
"""

import json
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

import torch

from insseg3d.engine.command import command_parser
from insseg3d.layers.backends import available
from insseg_lab.gpu_check import as_table, plan, report, run_parts


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('--minutes', type=float, default=8.0, help='of all parts together')
    parser.add_argument('--out', type=Path, default=Path('results/gpu'), help='folder')
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--points', type=int, default=150_000, help='points of a scene')
    parser.add_argument('--only', help='comma list of parts, by the beginning of their names')
    return parser.parse_args(argv)


def main(argv=None) -> int:
    args = parse_args(argv)
    if args.device.startswith('cuda') and not torch.cuda.is_available():
        print('gpu_check.py: torch finds no GPU here; see tools/doctor.py', file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    backends = ['torch', *(name for name in ('spconv', 'triton') if available(name))]
    seconds = 60 * args.minutes
    parts = plan(
        args.out.resolve(),
        device=args.device,
        backends=backends,
        seconds=seconds,
        points=args.points,
    )
    wanted = tuple((args.only or '').split(','))
    chosen = [part for part in parts if part.name.startswith(wanted)]
    device = torch.cuda.get_device_name(args.device) if 'cuda' in args.device else args.device
    name, done = re.sub(r'\W+', '-', device), []
    for part, outcome in run_parts(chosen, seconds):
        done.append((part, outcome))
        found = report(args.device, done)
        (args.out / f'{name}.json').write_text(json.dumps(found, indent=2) + '\n')
        (args.out / f'{name}.txt').write_text(as_table(found) + '\n')
        print(f'{part.name}: {outcome.state} after {outcome.seconds:.0f} s', flush=True)
    print(as_table(report(args.device, done)))
    return int(any(outcome.state == 'failed' for _, outcome in done))


if __name__ == '__main__':
    sys.exit(main())
