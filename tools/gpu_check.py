# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Test and time this project on a GPU, in a given number of minutes.

    python tools/gpu_check.py --minutes 8 --out results/gpu

runs, the most important first: tools/doctor.py, the tests marked gpu, predictions of all methods
(float32, TF32, autocast, each backend), iterations of trainings by batch size, and a training with
the time that is left. Each part has a time limit, and DIR/DEVICE.json and DIR/DEVICE.txt are
written after each. It also runs from a checkout whose packages are only on PYTHONPATH. With several
GPUs, CUDA_VISIBLE_DEVICES chooses one. Exit status: 0; 1 if a part failed; 2 if nothing could
begin.
"""

import json
import re
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / 'projects'))

import torch

from insseg3d.engine.command import command_parser
from insseg3d.layers.backends import usable_backends
from insseg_lab.gpu_check import as_table, plan, report, run_parts


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('--minutes', type=float, default=8.0, help='of all parts together')
    parser.add_argument('--out', type=Path, default=Path('results/gpu'), help='folder')
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda', help='of the timings')
    parser.add_argument('--points', type=int, default=150_000, help='points of a scene')
    parser.add_argument('--only', help='comma list of parts, by the beginning of their names')
    return parser.parse_args(argv)


def chosen_parts(args, folder: Path):
    """Yield the parts that were asked for."""
    parts = plan(
        folder,
        device=args.device,
        backends=usable_backends(torch.device(args.device, 0)),
        seconds=60 * args.minutes,
        points=args.points,
    )
    wanted = tuple((args.only or '').split(','))
    return (part for part in parts if part.name.startswith(wanted))


def main(argv=None) -> int:
    args = parse_args(argv)
    if args.device == 'cuda' and not torch.cuda.is_available():
        print('gpu_check.py: torch finds no GPU here; see tools/doctor.py', file=sys.stderr)
        return 2
    args.out.mkdir(parents=True, exist_ok=True)
    device = torch.cuda.get_device_name() if args.device == 'cuda' else args.device
    name, done = re.sub(r'\W+', '-', device), []
    with tempfile.TemporaryDirectory() as folder:
        chosen = list(chosen_parts(args, Path(folder)))
        if not chosen:
            print(f'gpu_check.py: --only {args.only}: no part begins so', file=sys.stderr)
            return 2
        for part, outcome in run_parts(chosen, 60 * args.minutes):
            done.append((part, outcome))
            found = report(args.device, done)
            (args.out / f'{name}.json').write_text(json.dumps(found, indent=2) + '\n')
            (args.out / f'{name}.txt').write_text(as_table(found) + '\n')
            print(f'{part.name}: {outcome.state} after {outcome.seconds:.0f} s', flush=True)
    print(as_table(report(args.device, done)))
    return int(any(outcome.state == 'failed' for _, outcome in done))


if __name__ == '__main__':
    sys.exit(main())
