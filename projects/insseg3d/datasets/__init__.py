# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Datasets, one class each; METAINFO is the single source of names and ids."""

from .base import InsSegDataset
from .custom import CustomInsSegDataset
from .s3dis import S3DISInstanceSegDataset
from .scannet import ScanNetInsSegDataset
from .scannet200 import ScanNet200InsSegDataset

__all__ = [
    'CustomInsSegDataset',
    'InsSegDataset',
    'S3DISInstanceSegDataset',
    'ScanNet200InsSegDataset',
    'ScanNetInsSegDataset',
]
