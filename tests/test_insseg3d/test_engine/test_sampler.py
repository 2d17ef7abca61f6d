# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import pickle
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.registry import DATA_SAMPLERS

from insseg3d.engine import DrawIndex, DrawSampler, sampler


def draws(size, count, *, seed=0, start=0, rank=0, world_size=1, shuffle=True):
    """Return the first draws as (index, (seed, draw))."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampler, 'get_dist_info', lambda: (rank, world_size))
        drawn = DrawSampler(range(size), shuffle=shuffle, seed=seed)
    drawn.start_at(start)
    return [(int(index), index.draw) for index in islice(drawn, count)]


def test_every_pass_has_every_scene_once_in_another_order():
    indices = [index for index, _ in draws(7, 21)]
    passes = [indices[0:7], indices[7:14], indices[14:21]]
    assert [sorted(one) for one in passes] == 3 * [list(range(7))]
    assert passes[0] != passes[1] != passes[2]
    assert [index for index, _ in draws(7, 9, shuffle=False)] == [0, 1, 2, 3, 4, 5, 6, 0, 1]


def test_seeds_differ():
    assert draws(50, 50, seed=1) != draws(50, 50, seed=2)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(0, 10**6), st.integers(0, 5))
def test_starts_anywhere(size, start, seed):
    # Start earlier and step draw by draw, or start at the draw.
    back = max(0, start - 30)
    assert draws(size, start - back + 5, seed=seed, start=back)[start - back :] == draws(
        size, 5, seed=seed, start=start
    )


@pytest.mark.parametrize('world_size', [1, 2, 3])
def test_processes_share_the_draws_of_one(world_size):
    together = sorted(
        (draw, index)
        for rank in range(world_size)
        for index, draw in draws(5, 12, rank=rank, world_size=world_size, start=6)
    )
    alone = [(draw, index) for index, draw in draws(5, 12 * world_size, start=6)]
    assert together == alone


def test_index_is_an_int_that_survives_the_way_to_a_worker():
    index = pickle.loads(pickle.dumps(DrawIndex(4, (7, 99))))
    assert index == 4 and [10, 11, 12, 13, 14][index] == 14 and index.draw == (7, 99)
    assert repr(index) == 'DrawIndex(4, draw=(7, 99))'


def test_draw_survives_remainder_and_difference():
    for index in (DrawIndex(4, (7, 99)) % 3, DrawIndex(4, (7, 99)) - 3):
        assert index == 1 and index.draw == (7, 99)


def test_start_travels_with_the_sampler():
    drawn = DrawSampler(range(5), seed=3)
    drawn.start_at(8)
    copy = pickle.loads(pickle.dumps(drawn))
    assert [index.draw for index in islice(copy, 2)] == [(3, 8), (3, 9)]


def test_without_a_seed_one_is_agreed_upon():
    drawn = DrawSampler(range(5))
    (index,) = islice(drawn, 1)
    assert index.draw == (drawn.seed, 0) and isinstance(drawn.seed, int)


def test_empty_data_set_is_refused():
    with pytest.raises(ValueError, match='no scene to draw from'):
        DrawSampler([])


def test_is_registered():
    built = DATA_SAMPLERS.build({'type': 'DrawSampler', 'dataset': range(3), 'seed': 1})
    assert isinstance(built, DrawSampler) and len(built) == 3
