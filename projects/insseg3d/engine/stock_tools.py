# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Find and run the command-line tools of an installed mmdet3d."""

import atexit
import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import torch.distributed as dist


def run_stock(name: str) -> None:
    """Run mmdet3d's own tool; end the process here if it was one of several.

    Upstream never leaves the process group. The threads of gloo then still release the tensors of
    the last collective while the interpreter shuts down, and about one run in ten aborted with
    "terminate called without an active exception" *after* its last result. Leaving the group is
    not enough, because DistributedDataParallel keeps its threads alive. A successful run of several
    processes therefore runs the exit functions and skips the teardown. A failed run ends as usual:
    leaving the group could wait for processes that hang.
    """
    stock_main(name)()
    if dist.is_initialized():
        dist.destroy_process_group()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def stock_main(name: str) -> Callable[[], None]:
    """Return the ``main`` function of mmdet3d's own tool, for example ``'train.py'``.

    The file is loaded as a separate module and not run as ``__main__``: spawned worker processes
    import ``__main__`` again, and must import ``insseg3d`` first there, too.

    Raises:
        FileNotFoundError: If the installed mmdet3d has no such tool.
        ModuleNotFoundError: If mmdet3d is not installed.
    """
    package = importlib.util.find_spec('mmdet3d')
    if package is None:
        raise ModuleNotFoundError('mmdet3d is not installed: see README.md, or run `make setup`.')
    folder = Path(package.submodule_search_locations[0])
    # A wheel has its tools in .mim; a clone of mmdetection3d has them next to the package.
    places = [folder / '.mim' / 'tools' / name, folder.parent / 'tools' / name]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f'mmdet3d has no tools/{name}: looked for {places[0]} and {places[1]}. Install the '
            'wheel of mmdet3d 1.4.0 (`pip install --no-deps mmdet3d==1.4.0`).'
        )
    spec = importlib.util.spec_from_file_location(f'mmdet3d_tool_{path.stem}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main
