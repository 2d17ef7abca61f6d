# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Reports of a run: tables, curves and a page; and comparisons of two runs."""

from .comparison import Comparison, compare_runs, comparison_table
from .page import write_report

__all__ = ['Comparison', 'compare_runs', 'comparison_table', 'write_report']
