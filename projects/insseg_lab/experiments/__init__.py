# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Series of trainings: their budgets, processes and tables of results."""
