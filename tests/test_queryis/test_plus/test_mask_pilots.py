# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pilots begin with a region of an object; queries and tests do not notice them."""

import uuid

import pytest
import torch
from mmdet3d.registry import MODELS
from mmengine.logging import MessageHub

from queryis.plus import MaskPilots
from queryis.plus.mask_pilots import pairs_of_pilots, pilots_with_objects
from queryis.plus.mask_reading import MaskReader
from queryis.plus.row_features import row_places

from ..helpers import QUERIES, WIDTH, build_head
from .scenes import CELL, DECODER, PLACED, WHOLE, batch_of, make_scene, plus_head

FAR = 99.0
PARTS = dict(type='MaskPilots', embed_dims=WIDTH, radius=(0.3, 1.2), noise=(0.0, 0.5))


@pytest.fixture(autouse=True)
def hub():
    """Make a new message hub current, in which runners store seed and iteration."""
    return MessageHub.get_instance(f'hub{uuid.uuid4()}')


def input_of(*scenes):
    batch = batch_of(*scenes)
    return [row_places(batch, b) for b in range(len(scenes))], batch.voxel_targets()


def draw(scenes, **ranges):
    """Return the regions of the pilots of scenes."""
    pilots = MODELS.build(dict(type='MaskPilots', embed_dims=WIDTH, **ranges))
    return pilots(*input_of(*scenes)).regions


def members(targets, number):
    """Return which rows have points of an object, ``(R,)`` bool."""
    inside = torch.zeros(len(targets.counts), dtype=torch.bool)
    inside[targets.inst_voxel[targets.inst_index == number]] = True
    return inside


def objects_of(scene):
    (targets,) = batch_of(scene).voxel_targets()
    return torch.stack([members(targets, g) for g in range(len(targets.labels))], 1)


def is_ball(distance, inside, outside, low, high):
    """Return if a radius between low and high separates the rows inside from those outside."""
    least = max([low, *distance[inside].tolist()])
    most = min([high, *distance[outside].tolist()])
    return least <= most + 1e-3  # cdist rounds


def test_regions_are_balls_around_a_row_of_their_object():
    """The larger one contains rows of the object alone, the smaller one all rows."""
    scene = make_scene(300, 3, seed=1)
    own = objects_of(scene)
    (places,), _ = input_of(scene)
    strangers, seeds = 0, set()
    for seed in range(20):
        torch.manual_seed(seed)
        (regions,) = draw([scene], radius=(0.8, 1.4), noise=(0.0, 0.7))
        assert regions.shape == own.shape and regions.dtype == torch.bool
        for g, (region, mine) in enumerate(zip(regions.T, own.T)):
            strangers += int((region & ~mine).sum())
            centres = [
                row
                for row, near in enumerate(torch.cdist(places, places))
                if mine[row]
                and is_ball(near, region & mine, mine & ~region, 0.8, 1.4)
                and is_ball(near, region & ~mine, ~mine & ~region, 0.0, 0.7)
            ]
            assert any(region[row] for row in centres)
            if len(centres) == 1:
                seeds.add((g, centres[0]))
    assert strangers > 0 and len(seeds) > 10


def test_all_rows_of_an_object_can_be_the_centre():
    """With radii of nearly 0, a region is its centre alone."""
    scene = make_scene(40, 2, seed=2)
    own, found = objects_of(scene), torch.zeros(0)
    for _ in range(200):
        (regions,) = draw([scene], radius=(CELL / 50, CELL / 50), noise=(0.0, 0.0))
        assert (regions.sum(0) == 1).all()
        found = regions + found if len(found) else regions.int()
    assert torch.equal(found > 0, own)
    assert own.sum() > 20 and found[own].max() < 60


@pytest.mark.parametrize('name', ['radius', 'noise'])
def test_radii_of_all_sizes_in_their_range_are_drawn(name):
    scene = make_scene(300, 1, seed=2)
    ranges = dict(dict(radius=(0.0, 0.0), noise=(0.0, 0.0)), **{name: (0.0, 2.0)})
    sizes = [int(draw([scene], **ranges)[0].sum()) for _ in range(60)]
    assert min(sizes) < 10 and len(set(sizes)) > 20
    own = objects_of(scene)
    assert max(sizes) > 0.7 * (own.sum() if name == 'radius' else len(own))


def test_without_noise_regions_are_subsets_of_objects():
    scene = make_scene(200, 4, seed=3)
    (regions,) = draw([scene], radius=(0.3, 1.0), noise=(0.0, 0.0))
    own = objects_of(scene)
    assert not (regions & ~own).any() and regions.any(0).all() and (regions.sum() < own.sum())


def test_large_radius_makes_whole_objects_and_large_noise_whole_scenes():
    scene = make_scene(200, 4, seed=3)
    (regions,) = draw([scene], radius=(FAR, FAR), noise=(0.0, 0.0))
    assert torch.equal(regions, objects_of(scene))
    (regions,) = draw([scene], radius=(0.3, 1.0), noise=(FAR, FAR))
    assert regions.all()


def test_columns_beyond_the_objects_of_a_scene_are_empty():
    scenes = [make_scene(80, 3, seed=4), make_scene(50, 0, seed=5), make_scene(60, 1, seed=6)]
    regions = draw(scenes, radius=(FAR, FAR))
    assert [region.shape[1] for region in regions] == [3, 3, 3]
    assert [region.any(0).tolist() for region in regions] == [
        [True, True, True],
        [False, False, False],
        [True, False, False],
    ]
    (nothing,) = draw(scenes[1:2])
    assert nothing.shape[1] == 1 and not nothing.any()  # one at least: the weights get gradients


def test_each_object_has_a_pilot_in_all_outputs_but_the_first():
    _, targets = input_of(make_scene(80, 3), make_scene(50, 0, seed=1))
    pilots = pilots_with_objects(targets)
    assert [numbers.tolist() for numbers in pilots] == [[0, 1, 2], []]
    pairs = pairs_of_pilots(pilots, (0, 1, 2))
    assert {key: [part.tolist() for part in pair] for key, pair in pairs.items()} == {
        (1, 0): [[0, 1, 2], [0, 1, 2]],
        (1, 1): [[], []],
        (2, 0): [[0, 1, 2], [0, 1, 2]],
        (2, 1): [[], []],
    }
    assert set(pairs_of_pilots(pilots, (2,))) == {(2, 0), (2, 1)}


def test_draws_of_a_training_depend_on_seed_and_iteration_alone(hub, monkeypatch):
    scenes = [make_scene(200, 4, seed=7), make_scene(100, 2, seed=8)]

    def regions(seed, iteration, rank=0):
        hub.update_info('seed', seed)
        hub.update_info('iter', iteration)
        monkeypatch.setattr('insseg3d.engine.progress.get_rank', lambda: rank)
        torch.randn(3)  # other draws in the meantime do not matter
        return torch.cat(draw(scenes))

    first = regions(0, 7)
    assert torch.equal(regions(0, 7), first)
    for other in (regions(0, 8), regions(1, 7), regions(0, 7, rank=1)):
        assert not torch.equal(other, first)
    state = torch.get_rng_state()
    regions_now = draw(scenes)
    assert torch.equal(torch.get_rng_state(), state) and len(regions_now) == 2


def test_scenes_of_a_batch_draw_differently(hub):
    hub.update_info('iter', 3)
    scene = make_scene(200, 4, seed=7)
    first, second = draw([scene, scene])
    assert not torch.equal(first, second)


@pytest.mark.parametrize('name', ['radius', 'noise'])
@pytest.mark.parametrize('values', [(0.5, 0.4), (-0.1, 0.4)])
def test_ranges_are_checked(name, values):
    with pytest.raises(ValueError, match=rf'{name} is \({values[0]}, 0.4\), expected .low, high'):
        MaskPilots(embed_dims=WIDTH, **{name: values})


def losses_of(head, *scenes):
    torch.manual_seed(0)
    return head.loss(batch_of(*scenes))


def test_queries_are_the_same_with_and_without_pilots():
    """One head with a bias in its attention, and one without."""
    scenes = [make_scene(80, 3, seed=1), make_scene(50, 1, seed=2)]
    for relation in (DECODER['relation'], None):
        head = plus_head(PLACED, decoder=dict(relation=relation), pilots=PARTS)
        losses = losses_of(head, *scenes)
        head.pilots = None
        plain = losses_of(head, *scenes)
        assert set(losses) > set(plain)
        for name, value in plain.items():
            torch.testing.assert_close(losses[name], value)


def test_pilots_do_not_see_the_queries():
    scenes = [make_scene(80, 3, seed=1), make_scene(50, 1, seed=2)]
    for relation in (DECODER['relation'], None):
        head = plus_head(PLACED, decoder=dict(relation=relation), pilots=PARTS)
        before = losses_of(head, *scenes)
        torch.nn.init.normal_(head.decoder.queries.embedding.weight, std=3)
        after = losses_of(head, *scenes)
        for name, value in after.items():
            same = torch.allclose(before[name], value, rtol=1e-5, atol=1e-6)
            assert same == name.startswith('pilots.')


@pytest.mark.parametrize('relation', [DECODER['relation'], None], ids=['relation', 'none'])
def test_pilots_do_not_notice_that_another_scene_has_more_objects(relation):
    scenes = [make_scene(50, 1, seed=2), make_scene(60, 0, seed=3), make_scene(80, 3, seed=1)]
    head = plus_head(PLACED, decoder=dict(relation=relation))
    head.supervised_layers = (2,)
    alone = [losses_of(head, scene) for scene in scenes]
    together = losses_of(head, *scenes)
    for name in ('loss_bce', 'loss_dice'):
        expected = (alone[0][f'pilots.{name}'] + 3 * alone[2][f'pilots.{name}']) / 4
        torch.testing.assert_close(together[f'pilots.{name}'], expected)
    expected = (alone[0]['pilots.loss_cls'] + 3 * alone[2]['pilots.loss_cls']) / 4
    torch.testing.assert_close(together['pilots.loss_cls'], expected)
    assert alone[1]['pilots.loss_cls'] == 0  # no pilot has an object


def test_pilots_have_losses_of_all_outputs_but_the_first():
    losses = losses_of(plus_head(PLACED), make_scene())
    names = ('loss_cls', 'loss_bce', 'loss_dice')
    found = {name for name in losses if name.startswith('pilots.')}
    assert found == {f'pilots.{prefix}{name}' for prefix in ('d1.', '') for name in names}
    last = losses_of(plus_head(PLACED, supervised_layers=[2]), make_scene())
    assert set(last) == {f'{prefix}{name}' for prefix in ('pilots.', '') for name in names} | {
        'loss_quality'
    }


def test_pilots_begin_with_their_regions():
    """Of two heads that differ in the regions alone, only the losses of pilots differ."""
    scene = make_scene(seed=3)
    parts, whole = (losses_of(plus_head(PLACED, pilots=cfg), scene) for cfg in (PARTS, WHOLE))
    for name, value in parts.items():
        assert torch.allclose(value, whole[name]) != name.startswith('pilots.')


def test_after_the_first_layer_pilots_have_masks_of_their_own(monkeypatch):
    told, read = [], MaskReader.__call__

    def spy(self, queries, regions=None):
        told.append(regions)
        return read(self, queries, regions)

    monkeypatch.setattr(MaskReader, '__call__', spy)
    losses_of(plus_head(PLACED), make_scene(80, 3))
    first, second = told
    assert first[0].shape[1] == 3 and second is None


def test_a_test_has_no_pilots(monkeypatch):
    monkeypatch.setattr(MaskPilots, 'forward', lambda *_: pytest.fail('was called'))
    head = plus_head(PLACED).eval()
    batch = batch_of(make_scene(), make_scene(50, seed=1))
    assert head(batch).class_logits[-1].shape[1] == QUERIES
    with_pilots = head.predict(batch)
    torch.nn.init.normal_(head.pilots.embedding, std=5)
    for found, expected in zip(head.predict(batch), with_pilots):
        assert torch.equal(found.masks, expected.masks)
        assert torch.equal(found.scores_3d, expected.scores_3d)


def test_a_decoder_without_pilots_refuses_them_and_the_remedies_work():
    plain = dict(
        type='QueryDecoder',
        num_layers=2,
        queries=dict(type='LearnedQueries', num_queries=QUERIES, embed_dims=WIDTH),
        layer=dict(type='QueryDecoderLayer', embed_dims=WIDTH, num_heads=2),
    )
    batch = batch_of(make_scene())
    with pytest.raises(ValueError, match='QueryDecoder has no pilots; remove .*MaskReadingDecoder'):
        build_head(features=PLACED, decoder=plain, pilots=WHOLE).loss(batch)
    build_head(features=PLACED, decoder=plain).loss(batch)
    plus_head(PLACED).loss(batch)
