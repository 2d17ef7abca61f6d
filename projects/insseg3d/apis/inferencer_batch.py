# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Many scans, shared out over processes; one that fails does not stop the rest."""
import datetime
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch.distributed as dist

from ..scans import find_scans
from .inferencer import InstanceSeg3DInferencer
from .inferencer_files import Outcome, is_done, summary, write_files
from .inferencer_result import InstanceResult

_LONGEST_WAIT = datetime.timedelta(days=7)  # for processes whose scans take longer


def list_scans(sources: Sequence[str]) -> tuple[list[Path], list[Outcome]]:
    """Paths of the scans, each once, and what could not be found."""
    scans, failed = {}, []
    for source in sources:
        try:
            scans.update(dict.fromkeys(find_scans(source)))
        except (OSError, ValueError) as error:
            failed.append(Outcome(source, '', 'failed', one_line(error)))
    return list(scans), failed


def folder_names(scans: Sequence[Path]) -> dict[Path, str]:
    """A folder for each scan: its stem; with the ending, or the whole path, where stems meet."""
    found, left = {}, list(scans)
    for name_of in (lambda p: p.stem, lambda p: p.name, lambda p: quote(str(p), safe='')):
        names = {scan: name_of(scan) for scan in left}
        # Also apart where capitals do not count, and from names given before.
        times = Counter(name.lower() for name in [*names.values(), *found.values()])
        found.update((s, name) for s, name in names.items() if times[name.lower()] == 1)
        left = [scan for scan in left if scan not in found]
    found.update((scan, f'{quote(str(scan), safe="")}-{k}') for k, scan in enumerate(left))
    return found


def share_of(scans: Sequence[Path], rank: int, world: int) -> list[Path]:
    """The scans of one of several processes: by size, dealt out in turn."""
    def size(scan: Path) -> int:
        try:
            return scan.stat().st_size
        except OSError:
            return 0
    return sorted(scans, key=lambda scan: (-size(scan), str(scan)))[rank::world]


def run_batch(
        scans: Sequence[Path], out: Path, inferencer: Callable[[], InstanceSeg3DInferencer],
        made_from: Mapping[str, Any], *, again: bool = False, names: Mapping[Path, str],
        report: Callable[[Outcome, InstanceResult | None], None]) -> list[Outcome]:
    """Segment scans one after another and write their files.

    Args:
        scans: of this process.
        out: folder of the results.
        inferencer: gives the model, asked for only if there is something to do.
        made_from: what else the results depend on; scans done from the same are not done again.
        again: do them again all the same.
        names: folder of each scan.
        report: called after each scan.
    """
    outcomes = []
    for scan in scans:
        folder, result = out / names[scan], None
        try:
            stat = scan.stat()
            source = dict(
                made_from, scan=str(scan.absolute()), size=stat.st_size, time=stat.st_mtime_ns)
            done = None if again else is_done(folder, source)
        except OSError as error:
            outcomes.append(Outcome(
                str(scan), names[scan], 'failed', f'{scan}: {error.strerror or error}'))
            report(outcomes[-1], None)
            continue
        if done is not None:
            outcomes.append(Outcome(str(scan), names[scan], 'kept', done))
        else:
            model = inferencer()  # what is wrong with the model is wrong with all scans
            try:
                result = model(scan)
                write_files(folder, result, source)
                outcomes.append(Outcome(str(scan), names[scan], 'done', summary(result)))
            except (OSError, ValueError, MemoryError, RuntimeError) as error:
                outcomes.append(Outcome(str(scan), names[scan], 'failed', one_line(error)))
        report(outcomes[-1], result)
    return outcomes


def process_rank() -> tuple[int, int]:
    """Number of this process and of all, as torchrun says; (0, 1) without it."""
    return int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))


def gather(outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of all processes, in all of them."""
    if process_rank()[1] == 1:
        return outcomes
    dist.init_process_group('gloo', timeout=_LONGEST_WAIT)
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, outcomes)
    dist.destroy_process_group()
    return [Outcome(*outcome) for part in parts for outcome in part]


def one_line(error: BaseException) -> str:
    """An error as a sentence."""
    return ' '.join(str(error).split()) or type(error).__name__
