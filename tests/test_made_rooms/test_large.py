# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import numpy as np

from made_rooms import large, make_points


def test_a_room_is_repeated_densely_side_by_side(monkeypatch):
    monkeypatch.setattr(large, 'BLOCK', 1000)
    points = large.make_large_points(seed=1, num_points=8500)
    assert points.shape == (8500, 6) and points.dtype == np.float32
    np.testing.assert_array_equal(points, large.make_large_points(seed=1, num_points=8500))
    room = make_points(seed=1, num_points=1000)
    np.testing.assert_array_equal(large.make_large_points(seed=1, num_points=1000), room)
    # The first four copies overlap; the next four are next to them.
    copies = points[:8000].reshape(8, 1000, 6)
    np.testing.assert_array_equal(copies[:, :, 3:], np.tile(room[:, 3:], (8, 1, 1)))
    shift = (copies - room)[:, :, :3]
    np.testing.assert_allclose(shift[:4], 0, atol=0.03)
    assert 0.004 < shift[:4].std() < 0.006
    width = np.ptp(room[:, 0])
    np.testing.assert_allclose(shift[4:, :, 0], width + 0.1, atol=0.03)
    np.testing.assert_allclose(shift[4:, :, 1:], 0, atol=0.03)
