# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np

from insseg3d.ops.contingency import instance_codes


def test_instance_numbers_of_64_bits():
    instance = np.array([2**61, 5, 2**61 + 1, -1, 2**63 - 1, 2**61, 2**61])
    semantic = np.array([17, 0, 16, 3, 18, 17, 16])
    codes = instance_codes(instance, semantic, num_classes=18)
    assert codes.labels.tolist() == [0, 16, 16, 17]
    assert codes.ids.tolist() == [5, 2**61, 2**61 + 1, 2**61]
    assert codes.codes.tolist() == [3, 0, 2, 4, 4, 3, 1] and codes.sizes.tolist() == [1, 1, 1, 2]


def test_large_numbers_are_as_good_as_small_ones():
    rng = np.random.default_rng(0)
    instance, semantic = rng.integers(-1, 9, 300), rng.integers(-1, 6, 300)
    small = instance_codes(instance, semantic, num_classes=5)
    large = instance_codes(np.where(instance < 0, -1, instance + 2**62), semantic, num_classes=5)
    for one, two in zip(small._replace(ids=small.ids + 2**62), large):
        np.testing.assert_array_equal(one, two)


def test_no_points():
    codes = instance_codes(np.zeros(0), np.zeros(0), num_classes=3)
    assert len(codes.codes) == len(codes.labels) == len(codes.ids) == 0
