# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make of a training's checkpoint a file to give to others.

    python tools/publish_model.py work_dirs/demo/iter_3000.pth demo.pth

writes demo-<first 8 digits of its SHA-256>.pth: weights, class names and palette, and the config,
without optimizer, log and the parts that only a training needs, so that tools/infer.py needs
nothing else. Files that end with .safetensors are of that format (pip install safetensors). Both
are read without running anything in them. What does not load into its config is not written. Exit
status: 0; 2 if nothing was.
"""

import shlex
import sys
from pathlib import Path

from insseg3d.apis import load_model
from insseg3d.apis.batch import one_line
from insseg3d.apis.checkpoints import published, write_published
from insseg3d.apis.model_index import choose_model
from insseg3d.engine.command import command, command_parser


def parse_args(argv=None):
    parser = command_parser(__doc__)
    parser.add_argument('checkpoint', type=Path, help='.pth of a training, or published before')
    parser.add_argument('out', type=Path, help='NAME.pth or NAME.safetensors')
    parser.add_argument(
        '--model',
        '--config',
        dest='model',
        help='name, or path of a config (default: the config in the checkpoint)',
    )
    parser.add_argument(
        '--half', action='store_true', help='round the weights to float16: half the size'
    )
    return parser.parse_args(argv)


@command(failed=2, expected=(OSError, ValueError, RuntimeError), shown=one_line)
def main(argv=None):
    args = parse_args(argv)
    config, checkpoint = choose_model(args.model, args.checkpoint)
    model, _ = load_model(config, checkpoint)
    content = published(checkpoint, config, model.dataset_meta, half=args.half)
    path = write_published(content, args.out)
    before, after = (file.stat().st_size / 1e6 for file in (args.checkpoint, path))
    classes = model.dataset_meta['classes']
    print(f'{path}: {after:.1f} MB of {before:.1f}, {len(classes)} classes ({", ".join(classes)})')
    print(f'python tools/infer.py SCAN --weights {shlex.quote(str(path))} --out work_dirs/found')


if __name__ == '__main__':
    sys.exit(main())
