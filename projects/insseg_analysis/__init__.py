# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Readers of data sets and results, and the pages and figures made from them."""
