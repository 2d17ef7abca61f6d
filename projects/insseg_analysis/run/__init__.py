# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What went wrong in a run, for people: tables, curves, a page; and two runs side by side."""

from .comparison import Comparison, compare_runs, comparison_table
from .page import write_report

__all__ = ['Comparison', 'compare_runs', 'comparison_table', 'write_report']
