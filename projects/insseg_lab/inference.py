# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Find the objects of scans and write them to files: the body of ``tools/infer.py``."""

import argparse
import dataclasses
import functools
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from tqdm import tqdm

from insseg3d.apis.batch import process_rank, run_batch
from insseg3d.apis.checkpoints import Checkpoint
from insseg3d.apis.files import Outcome, original_scene, summary, upright_scene
from insseg3d.apis.inferencer import InstanceSeg3DInferencer
from insseg3d.apis.result import InstanceResult
from insseg3d.apis.tiling import Tiling
from insseg3d.visualization import render_views, save_png, write_instance_ply
from insseg_scans import COLOR_RANGES, Assumptions
from insseg_scans.errors import visible
from insseg_scans.units import UNITS, UP_AXES


@dataclasses.dataclass(frozen=True, kw_only=True)
class FindingOptions:
    """The options that the objects of a scan depend on, under their names on the command line."""

    min_voxels: int
    min_points: int
    score_thr: float
    strict: bool
    units: str | None
    up: str | None
    color_range: str | None
    columns: tuple[str, ...] | None
    mesh_samples: int
    tile: float | None
    overlap: float | None
    class_agnostic: bool

    @classmethod
    def of(cls, args: argparse.Namespace) -> 'FindingOptions':
        """Take the options out of parsed arguments."""
        return cls(**{field.name: getattr(args, field.name) for field in dataclasses.fields(cls)})

    @property
    def tiling(self) -> Tiling | None:
        """Tiles and their overlap; None without tiles.

        Raises:
            ValueError: If there is an overlap without tiles.
        """
        if self.tile is None:
            if self.overlap is not None:
                raise ValueError('--overlap is that of tiles; say their size with --tile')
            return None
        return Tiling(self.tile, self.tile / 4 if self.overlap is None else self.overlap)


def add_finding_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of :class:`FindingOptions`."""
    parser.add_argument(
        '--min-voxels', type=int, default=30, help='leave out smaller objects (%(default)s)'
    )
    parser.add_argument(
        '--min-points', type=int, default=1, help='likewise, by points (%(default)s)'
    )
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='least score of an object (%(default)s)'
    )
    parser.add_argument(
        '--strict', action='store_true', help='refuse scans of which something must be guessed'
    )
    parser.add_argument('--units', choices=UNITS, help='of the scans (default: by their extent)')
    parser.add_argument(
        '--up', choices=UP_AXES, help='upward axis (default: by the geometry, z if that is unclear)'
    )
    parser.add_argument(
        '--color-range',
        choices=[*COLOR_RANGES, 'none'],
        help='largest colour there could be; none: pass colours over (default: by most of them)',
    )
    parser.add_argument(
        '--columns',
        type=lambda text: tuple(text.split(',')),
        help='of tables without names, e.g. x,y,z,-,red,green,blue',
    )
    parser.add_argument(
        '--mesh-samples',
        type=int,
        default=0,
        help='of meshes, take so many points of the surfaces instead of the vertices',
    )
    parser.add_argument(
        '--tile',
        type=float,
        metavar='METRES',
        help='cut scans that are larger into tiles of this side, with all heights above them',
    )
    parser.add_argument(
        '--overlap', type=float, metavar='METRES', help='of tiles (default: a quarter of --tile)'
    )
    parser.add_argument(
        '--class-agnostic',
        action='store_true',
        help='find things of any kind, also beyond the classes of the model, as objects',
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finder:
    """A model, not yet loaded, and the options with which it finds objects.

    Attributes:
        model: Model as the user named it, or None.
        config: Its config.
        weights: Its checkpoint.
        device: Device as the user named it; None: a GPU if there is one.
        options: What the objects depend on.
    """

    model: str | None
    config: Config
    weights: Checkpoint
    device: str | None
    options: FindingOptions

    def load(self) -> InstanceSeg3DInferencer:
        """Load the model; each of several processes takes the next GPU."""
        device, options = self.device, self.options
        if device in ('cuda', None) and torch.cuda.is_available():
            device = f'cuda:{process_rank()[0] % torch.cuda.device_count()}'
        return InstanceSeg3DInferencer(
            self.config,
            self.weights,
            device,
            assumptions=Assumptions(options.units, options.up, options.color_range, options.strict),
            score_thr=options.score_thr,
            min_voxels=options.min_voxels,
            min_points=options.min_points,
            columns=options.columns,
            mesh_samples=options.mesh_samples,
            tiling=options.tiling,
            class_agnostic=options.class_agnostic,
        )

    def made_from(self) -> dict[str, Any]:
        """Return everything that results depend on besides the scan."""
        known = [self.weights.path]  # an address
        if '://' not in self.weights.path:
            file = Path(self.weights.path).stat()
            known = [str(Path(self.weights.path).absolute()), file.st_size, file.st_mtime_ns]
        options = dataclasses.asdict(self.options)
        return {
            'model': self.model,
            'config': hashlib.sha256(_parts_in_use(self.config).encode()).hexdigest(),
            'weights': known,
            'options': {k: list(v) if isinstance(v, tuple) else v for k, v in options.items()},
        }


def _parts_in_use(config: Config) -> str:
    """Return the text of the parts of a config that inference reads.

    Of the config inside a checkpoint these are all, in this order.
    """
    dataset = config.test_dataloader.dataset
    names = ('pipeline', 'classes', 'metainfo', 'type')
    kept = {name: dataset[name] for name in names if dataset.get(name) is not None}
    scope = config.get('default_scope', 'mmdet3d')
    parts = dict(model=config.model, default_scope=scope, test_dataloader=dict(dataset=kept))
    return Config(parts).pretty_text


def find_in_one(finder: Finder, scan: Path, out: Path, picture: Path | None) -> None:
    """Segment a single scan into a single file.

    Args:
        finder: The model.
        scan: The scan.
        out: Point cloud to write.
        picture: PNG of input and objects, or None.
    """
    result = finder.load()(scan)
    write_instance_ply(out, original_scene(result), classes=result.classes)
    if picture:
        save_png(picture, render_views(upright_scene(result)))
    print_outcome(
        Outcome(visible(str(scan)), '', 'done', f'{summary(result)}; written to {out}'), result
    )


def find_in_all(
    finder: Finder, scans: Sequence[Path], out: Path, names: dict[Path, str], *, again: bool
) -> list[Outcome]:
    """Segment the scans of this process, with a progress bar.

    Args:
        finder: The model; loaded only if there is a scan to do.
        scans: The scans.
        out: Folder of the results.
        names: Folder of each scan.
        again: Whether to repeat what was done before.
    """
    several = process_rank()[0] == 0 and len(scans) > 1
    disable = None if several else True  # None: shown on a terminal only
    with tqdm(total=len(scans), unit=' scans', disable=disable) as bar:

        def report(outcome: Outcome, result: InstanceResult | None) -> None:
            print_outcome(outcome, result)
            bar.update()

        return run_batch(
            scans,
            out,
            functools.cache(finder.load),
            finder.made_from(),
            again=again,
            names=names,
            report=report,
        )


def print_outcome(outcome: Outcome, result: InstanceResult | None) -> None:
    """Print the outcome of a scan, and its objects if they were found just now."""
    if outcome.state == 'failed':
        tqdm.write(f'infer.py: {outcome.message}', file=sys.stderr)
        return
    again = ' (done before)' if outcome.state == 'kept' else ''
    tqdm.write(f'{outcome.scan}: {outcome.message}{again}')
    if result is not None:
        for remark in result.remarks:
            tqdm.write(f'  {remark}')
        for name, score, size in zip(result.names, result.scores, result.sizes):
            tqdm.write(f'  {name:20s} score {score:.2f} {size:8d} points')
