# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The origin of a figure, in words that name no computer, person or folder.

Importing this loads nothing but the standard library: ``tools/demo.py`` must say its first words
at once.
"""

import importlib.metadata
import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository; the lab is in no wheel."""
PACKAGES = (
    *('torch', 'mmengine', 'mmcv', 'mmcv-lite', 'mmdet', 'mmdet3d'),
    *('spconv', 'spconv-triton', 'numpy'),
)


def commit() -> str:
    """Return the hash of the commit that is checked out, 'unknown' outside a repository."""
    return _git('rev-parse', 'HEAD') or 'unknown'


def state_of_code() -> str:
    """Return the commit, and whether tracked files differ from it, other than results."""
    changes = _git('status', '--porcelain', '-uno', '--', '.', ':!results')
    return commit() + (' with changes' if changes else '')


def versions() -> dict[str, str]:
    """Return the versions of Python and of those of ``PACKAGES`` that are installed."""
    found = {'python': platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            pass
    return found


def shown(argument: object) -> str:
    """Return an argument as a user in the repository would type it."""
    text = str(argument)
    text = text[len(str(ROOT)) + 1 :] if text.startswith(f'{ROOT}{os.sep}') else text
    return f"'{text}'" if ' ' in text else text


def _git(*arguments: str) -> str:
    command = ['git', *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True).stdout.strip()


def machine(device: str | None = None) -> str:
    """Return processor and memory, and the GPU if one is used.

    Args:
        device: 'cpu', or a name that begins with 'cuda'; None takes a GPU if there is one.
    """
    import torch  # seconds to import

    parts = [f'{_cores()} cores of {_processor()}', f'{_memory_gb():.0f} GB']
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device.startswith('cuda'):
        gpu = torch.cuda.get_device_properties(device)
        parts.insert(0, f'{gpu.name} with {gpu.total_memory / 1e9:.0f} GB')
    return ', '.join([*parts, platform.system()])


def command_line(words: Sequence[object], root: Path = ROOT) -> str:
    """Return a command as one would type it in the repository.

    Args:
        words: Words of the command. Of a file or folder outside the repository only the name is
            kept.
        root: The repository.
    """
    return ' '.join(shlex.quote(_without_folders(str(word), root)) for word in words)


def _without_folders(word: str, root: Path) -> str:
    if word.startswith('--') and '=' in word:
        name, value = word.split('=', 1)
        return f'{name}={_without_folders(value, root)}'
    path = Path(word).resolve()
    if not Path(word).is_absolute() and '..' not in Path(word).parts:
        return word
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _cores() -> int:
    try:
        return len(os.sched_getaffinity(0))  # those that this process may use
    except AttributeError:
        return os.cpu_count() or 1


def _processor() -> str:
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
        names = [line.split(':', 1)[1].strip() for line in lines if line.startswith('model name')]
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9
