# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What a figure was measured on, in words that name no computer, person or folder."""

import os
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path

import torch


def machine(device: str | None = None) -> str:
    """Processor and memory, and the GPU where one is used.

    Args:
        device: 'cpu', or a name that begins with 'cuda'; None takes a GPU if there is one.
    """
    parts = [f'{_cores()} cores of {_processor()}', f'{_memory_gb():.0f} GB']
    if device is None:
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    if device.startswith('cuda'):
        gpu = torch.cuda.get_device_properties(device)
        parts.insert(0, f'{gpu.name} with {gpu.total_memory / 1e9:.0f} GB')
    return ', '.join([*parts, platform.system()])


def command_line(words: Sequence[object], root: Path) -> str:
    """A command as one would type it in the repository.

    Args:
        words: of the command; a file or folder outside the repository keeps its name alone.
        root: the repository.
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
