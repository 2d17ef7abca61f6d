# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The config fragments of the datasets."""

from pathlib import Path

from mmengine.config import Config

ROOT = Path(__file__).resolve().parents[3]
FRAGMENT = ROOT / 'configs/_base_/datasets/scannet.py'


def load_config(name='scannet'):
    """Load a fragment as plain dicts, a new copy each time."""
    return Config.fromfile(FRAGMENT.with_stem(name)).to_dict()
