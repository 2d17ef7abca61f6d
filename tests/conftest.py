# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What all tests share."""
import insseg3d  # noqa: F401, I001  (first: its cures let mmdet3d import with mmcv-lite)

import pytest
import torch


def pytest_collection_modifyitems(items):
    if torch.cuda.is_available():
        return
    skip = pytest.mark.skip(reason='needs a CUDA device')
    for item in items:
        if 'gpu' in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def same_seed():
    torch.manual_seed(0)
