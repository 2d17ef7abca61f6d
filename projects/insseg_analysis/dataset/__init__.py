# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Checks of a dataset before a training: facts of scenes, findings, tables, a picture."""

from .facts import Objects, SceneFacts, gather_facts
from .findings import Expectations, Finding, find_problems
from .report import class_statistics, class_table, class_tables, findings_text, summary_table

__all__ = [
    'Expectations',
    'Finding',
    'Objects',
    'SceneFacts',
    'class_statistics',
    'class_table',
    'class_tables',
    'find_problems',
    'findings_text',
    'gather_facts',
    'summary_table',
]
