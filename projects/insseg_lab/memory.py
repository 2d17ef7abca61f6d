# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The most memory that a measurement took."""

import resource
from pathlib import Path

import torch


def forget_peak_memory(device: torch.device) -> None:
    """Start a new peak, where the system can: on a GPU, and on Linux."""
    if device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)
        return
    try:
        Path('/proc/self/clear_refs').write_text('5')
    except OSError:
        pass  # then the peak is that of the process so far


def peak_memory_mb(device: torch.device) -> float:
    """Return the peak in megabytes: of tensors on a GPU, of the whole process on a CPU."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        lines = Path('/proc/self/status').read_text().splitlines()
        (peak,) = [line.split()[1] for line in lines if line.startswith('VmHWM')]
    except (OSError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) * 1024 / 1e6
