# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Users' own scans: readers of files and objects with points, and assumptions about them.

Nothing in this package is registered.
"""

from .assumptions import COLOR_RANGES, NOTHING_KNOWN, Assumptions, Remark, check_assumptions
from .extras import EXTRAS, optional_module
from .looks import ReadyScan, look_at
from .reading import ENDINGS, find_scans, read_scan
from .scan import Scan, scan_of

__all__ = [
    'Assumptions',
    'COLOR_RANGES',
    'ENDINGS',
    'EXTRAS',
    'NOTHING_KNOWN',
    'ReadyScan',
    'Remark',
    'Scan',
    'check_assumptions',
    'find_scans',
    'look_at',
    'optional_module',
    'read_scan',
    'scan_of',
]
