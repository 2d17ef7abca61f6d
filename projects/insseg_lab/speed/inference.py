# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Time the way from a scan's file to the files of its objects: ``benchmark.py infer``."""

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from plyfile import PlyData, PlyElement

from insseg3d.apis import files
from insseg3d.apis import inferencer as calls
from insseg3d.apis.inferencer import InstanceSeg3DInferencer
from made_rooms.large import make_large_points

from ..memory import forget_peak_memory, peak_memory_mb
from ..provenance import commit, machine, shown, versions
from .scenes import add_json_argument

HELP = 'from a scan to the files of its objects'

# Stage → module and name of the function that does it.
_FUNCTIONS = {
    'read': (calls, 'read_scan'),
    'look': (calls, 'look_at'),
    'labelled.ply': (files, 'write_instance_ply'),
    'masks.npz': (files, 'write_masks'),
    'view.html': (files, 'write_scene_page'),
    'thumbnail: draw': (files, 'render_views'),
    'thumbnail: save': (files, 'save_png'),
}
_METHODS = {'voxelise': 'pipeline', 'model': 'forward', 'objects': 'postprocess'}
STAGES = (
    'read',
    'look',
    'voxelise',
    'model',
    'objects',
    'labelled.ply',
    'masks.npz',
    'view.html',
    'thumbnail: draw',
    'thumbnail: save',
    'rest',
)


def write_ply(path: Path, points: np.ndarray) -> None:
    """Write a scan without labels, as programs of scanners do: binary, floats and bytes.

    Args:
        path: The file.
        points: ``(P, 6)`` x y z in metres, r g b in 0..255.
    """
    names = ('x', 'y', 'z', 'red', 'green', 'blue')
    vertex = np.empty(len(points), dtype=list(zip(names, ['f4'] * 3 + ['u1'] * 3)))
    for column, name in enumerate(names):
        vertex[name] = points[:, column]
    PlyData([PlyElement.describe(vertex, 'vertex')], byte_order='<').write(str(path))


def time_inference(
    inferencer: InstanceSeg3DInferencer, scan: Path, folder: Path, *, repeat: int
) -> dict[str, Any]:
    """Find the objects of a scan and write all files, several times over.

    Args:
        inferencer: The loaded model.
        scan: The file.
        folder: Folder of the results.
        repeat: Timed runs after a first one, which also loads and compiles.

    Returns:
        ``points``, ``objects``; ``first_seconds``; ``seconds`` of each of ``STAGES`` and of the
        ``whole``, medians; ``peak_memory_mb``, of the process on a CPU, of tensors on a GPU.
    """
    device = next(inferencer.model.parameters()).device
    forget_peak_memory(device)
    runs = [_timed_run(inferencer, scan, folder, device) for _ in range(1 + repeat)]
    result = runs[0][1]
    rows = [seconds for seconds, _ in runs[1:] or runs]
    return dict(
        points=len(result.coords),
        objects=len(result),
        first_seconds=runs[0][0]['whole'],
        seconds={name: float(np.median([row[name] for row in rows])) for name in rows[0]},
        peak_memory_mb=peak_memory_mb(device),
    )


def _timed_run(inferencer, scan, folder, device):
    """Return the seconds of a run, and its result."""
    seconds = dict.fromkeys(STAGES, 0.0)
    start = time.perf_counter()
    with _watched(inferencer, seconds, device):
        result = inferencer(scan)
        files.write_files(folder, result, {})
    whole = time.perf_counter() - start
    seconds['rest'] = whole - sum(seconds.values())
    return {**seconds, 'whole': whole}, result


@contextlib.contextmanager
def _watched(
    inferencer: InstanceSeg3DInferencer, seconds: dict[str, float], device: torch.device
) -> Iterator[None]:
    """Let the functions of all stages add their time to ``seconds``."""
    places: Mapping[str, tuple[Any, str]] = {
        **_FUNCTIONS,
        **{stage: (inferencer, name) for stage, name in _METHODS.items()},
    }
    with contextlib.ExitStack() as stack:
        for stage, (owner, name) in places.items():
            original, own = getattr(owner, name), name in vars(owner)
            setattr(owner, name, _timed(original, seconds, stage, device))
            if own:
                stack.callback(setattr, owner, name, original)
            else:  # a method of the class, which the attribute hid
                stack.callback(delattr, owner, name)
        yield


def _timed(
    function: Callable, seconds: dict[str, float], stage: str, device: torch.device
) -> Callable:
    def timed(*args, **kwargs):
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            seconds[stage] += time.perf_counter() - start

    return timed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument('--model', help='name or config (default: that inside the checkpoint)')
    parser.add_argument('--weights', help='checkpoint (default: the last one of that name)')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--scan', help='any file that tools/infer.py reads; default: a made room')
    parser.add_argument('--points', type=int, default=150_000, help='of the made room')
    parser.add_argument('--seed', type=int, default=0, help='which made room')
    parser.add_argument('--repeat', type=int, default=5, help='timed runs, after a first one')
    parser.add_argument('--threads', type=int, help="torch's threads (default: all cores)")
    add_json_argument(parser)


def run(args: argparse.Namespace) -> dict:
    """Time the way from a file to the files of its objects, print and return the figures."""
    start = time.perf_counter()
    inferencer = InstanceSeg3DInferencer(args.model, args.weights, args.device)
    loading = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        scan = Path(args.scan or Path(folder) / 'room.ply')
        if not args.scan:
            write_ply(scan, make_large_points(seed=args.seed, num_points=args.points))
        report = time_inference(inferencer, scan, Path(folder) / 'found', repeat=args.repeat)
    print(
        f'{report["points"]} points, {report["objects"]} objects; median of {args.repeat} runs, '
        f'{torch.get_num_threads()} threads'
    )
    for name, seconds in report['seconds'].items():
        print(f'{name:20s}{seconds:8.2f} s')
    print(
        f'the first time {report["first_seconds"]:.2f} s, loading the model before {loading:.2f} '
        f's; peak memory {report["peak_memory_mb"]:.0f} MB'
    )
    return dict(
        report,
        weights=shown(Path(inferencer.weights).resolve()),
        loading_seconds=loading,
        device=args.device,
        threads=torch.get_num_threads(),
        machine=machine(args.device),
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )
