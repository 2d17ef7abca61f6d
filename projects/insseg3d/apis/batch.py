# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Inference on many scans, distributed over processes; a failed scan does not stop the rest."""

import datetime
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import torch.distributed as dist

from insseg_scans import find_scans
from insseg_scans.errors import visible
from insseg_scans.folders import file_name, files_of, marked_name, stem_of, why_out_of_reach

from .files import Outcome, is_done, summary, write_files
from .inferencer import InstanceSeg3DInferencer
from .result import InstanceResult

INDEX = 'index.html'
_LONGEST_WAIT = datetime.timedelta(days=7)  # for the slowest process


def list_scans(sources: Sequence[str]) -> tuple[list[Path], list[Outcome]]:
    """List the paths of the scans, each once, and the sources that could not be found."""
    scans, failed = {}, []
    for source in sources:
        try:
            scans.update(dict.fromkeys(find_scans(source)))
        except (OSError, ValueError) as error:
            failed.append(Outcome(visible(source), '', 'failed', one_line(error)))
    return list(scans), failed


def folder_names(scans: Sequence[Path], taken: Collection[str] = ()) -> dict[Path, str]:
    """Choose a folder name for each scan: its stem, or more of its path if stems collide.

    Names are cut to the limits of file systems, see ``file_name``. They also differ on file
    systems that ignore case or the encoding of accents.

    Args:
        scans: Paths, each once.
        taken: Names that are already in use; the name of the index is always in use.
    """
    found: dict[Path, str] = {}
    left = list(scans)
    ways = (stem_of, lambda p: p.name, _whole_path)
    for name_of in ways:
        names = {scan: file_name(name_of(scan), str(scan)) for scan in left}
        times = Counter(map(_key, (*names.values(), *found.values(), INDEX, '', *taken)))
        found.update((s, name) for s, name in names.items() if times[_key(name)] == 1)
        left = [scan for scan in left if scan not in found]
    found.update((scan, marked_name(_whole_path(scan), str(scan))) for scan in left)
    return found


def taken_in(out: Path) -> list[str]:
    """List the files in a folder of results; no scan's folder can have their names."""
    try:
        return [entry.name for entry in os.scandir(out) if not entry.is_dir()]
    except OSError:
        return []


def _whole_path(scan: Path) -> str:
    return quote(os.fsencode(scan), safe='')


def _key(name: str) -> str:
    """Map names that some file systems treat as equal to one text; dots and blanks map to ''."""
    return unicodedata.normalize('NFC', name).casefold().rstrip('. ')


def share_of(scans: Sequence[Path], rank: int, world: int) -> list[Path]:
    """Return the scans of one of several processes: sorted by size, dealt out in turn."""

    def size(scan: Path) -> int:
        try:
            return _size_and_time(scan)[0]
        except (OSError, ValueError):
            return 0

    return sorted(scans, key=lambda scan: (-size(scan), str(scan)))[rank::world]


def _size_and_time(scan: Path) -> tuple[int, int]:
    """Return the size of a scan in bytes, and its time of last change in nanoseconds."""
    stats = [file.stat() for file in files_of(scan, labels=False)]
    return sum(stat.st_size for stat in stats), max(stat.st_mtime_ns for stat in stats)


def run_batch(
    scans: Sequence[Path],
    out: Path,
    inferencer: Callable[[], InstanceSeg3DInferencer],
    made_from: Mapping[str, Any],
    *,
    again: bool = False,
    names: Mapping[Path, str],
    report: Callable[[Outcome, InstanceResult | None], None],
) -> list[Outcome]:
    """Segment scans one after another and write their files.

    Args:
        scans: Scans of this process.
        out: Folder of the results.
        inferencer: Function that returns the model; called only if there is a scan to do.
        made_from: Everything else that the results depend on. A scan that was already done from
            the same values is not repeated.
        again: Repeat such scans all the same.
        names: Folder of each scan.
        report: Called after each scan.
    """
    outcomes = []
    for scan in scans:
        folder, result, name = out / names[scan], None, visible(str(scan))
        try:
            size, time = _size_and_time(scan)
            source = dict(made_from, scan=visible(str(scan.absolute())), size=size, time=time)
            done = None if again else is_done(folder, source)
        except (OSError, ValueError) as error:
            reason = why_out_of_reach(scan) or getattr(error, 'strerror', None) or one_line(error)
            outcomes.append(Outcome(name, names[scan], 'failed', _about(name, reason)))
            report(outcomes[-1], None)
            continue
        if done is not None:
            outcomes.append(Outcome(name, names[scan], 'kept', done))
        else:
            model = inferencer()  # outside try: a faulty model fails for all scans
            try:
                result = model(scan)
                write_files(folder, result, source)
                outcomes.append(Outcome(name, names[scan], 'done', summary(result)))
            except (OSError, ValueError, MemoryError, RuntimeError) as error:
                result = None
                outcomes.append(Outcome(name, names[scan], 'failed', _about(name, one_line(error))))
        report(outcomes[-1], result)
    return outcomes


def _about(scan: str, message: str) -> str:
    """Prefix a message with its scan, unless it already names it."""
    return message if scan in message else f'{scan}: {message}'


def process_rank() -> tuple[int, int]:
    """Return the index of this process and the number of all, from torchrun; else (0, 1)."""
    return int(os.environ.get('RANK', 0)), int(os.environ.get('WORLD_SIZE', 1))


def gather(outcomes: list[Outcome]) -> list[Outcome]:
    """Collect the outcomes of all processes, in every process."""
    if process_rank()[1] == 1:
        return outcomes
    dist.init_process_group('gloo', timeout=_LONGEST_WAIT)
    parts = [None] * dist.get_world_size()
    dist.all_gather_object(parts, outcomes)
    dist.destroy_process_group()
    return [Outcome(*outcome) for part in parts for outcome in part]


def one_line(error: BaseException) -> str:
    """Format an error as one line of printable characters."""
    return visible(' '.join(str(error).split())) or type(error).__name__
