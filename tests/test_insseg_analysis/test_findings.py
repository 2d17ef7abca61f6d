# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Faults are found, and none are reported for sound data."""

import json

import numpy as np
import pytest

from insseg_analysis.dataset import (
    Expectations,
    Objects,
    SceneFacts,
    class_statistics,
    class_table,
    find_problems,
    findings_text,
    summary_table,
)
from insseg_analysis.dataset.plots import save_distributions
from insseg_scans.upright import DIRECTIONS

EXPECTED = Expectations(
    classes=('chair', 'table'),
    class_ids=frozenset(range(41)),
    model_classes=2,
    num_queries=3,
    voxel_size=0.02,
    is_training=True,
)


def objects(labels, num_classes=None):
    labels = np.array(labels, dtype=np.int64)
    return Objects(
        labels,
        100 + 100 * np.arange(len(labels)),
        0.1 + 0.1 * labels,
        np.ones(len(labels), int) if num_classes is None else np.array(num_classes),
    )


def scene(**changes):
    facts = SceneFacts(
        'scene.bin',
        num_points=1000,
        low=np.zeros(3),
        high=np.array([5, 4, 2.5]),
        spacing=0.02,
        upright=np.array([0.1, 0.1, 0.4]),
        colors=(0.0, 255.0),
        semantic_points={0: 500, 5: 500},
        unlabelled=0.5,
        objects=objects([0, 1]),
        num_voxels=800,
        num_kept=1000,
    )
    return facts._replace(**changes)


def size(x, y, z):
    return dict(high=np.array([x, y, z], dtype=float))


def scores(**leads):
    """Scores of the six directions; ``down_y`` is -y."""
    values = np.zeros(6)
    for name, lead in leads.items():
        values[DIRECTIONS.index(name.replace('down_', '-'))] = lead
    return values


def test_nothing_is_found_where_nothing_is_wrong():
    assert find_problems('train', [scene(), scene()], EXPECTED) == []
    assert findings_text([]) == 'Nothing to object to.'


@pytest.mark.parametrize(
    'changes, level, words',
    [
        (dict(error='ValueError: cut off'), 'error', ['scene.bin', 'cut off', 'take it out']),
        (dict(semantic_points={41: 3, 5: 2}), 'error', ['[41]', '0..40', 'label set']),
        (dict(size(5000, 4000, 2500), spacing=20), 'error', ['millimetres', '0.001']),
        (dict(size(500, 400, 250), spacing=2), 'error', ['centimetres', '0.01']),
        (dict(size(1, 0.8, 0.5), spacing=0.004), 'warning', ['normalised']),
        (
            dict(low=np.full(3, 4e5), high=np.full(3, 4e5 + 4)),
            'error',
            ['400004', '0.031', 'float32'],
        ),
        (dict(up=scores(y=5)), 'warning', ['y seems to point upwards', '1 of 1', '(x, −z, y)']),
        *(
            (
                dict(up=scores(**{('down_' if up[0] == '-' else '') + up[-1]: 4})),
                'warning',
                [f'{up} seems to point upwards', turn],
            )
            for up, turn in (
                ('x', '(−z, y, x)'),
                ('-x', '(z, y, −x)'),
                ('-y', '(x, z, −y)'),
                ('-z', '(x, −y, −z)'),
            )
        ),
        (
            dict(steps=np.array([0, 0.5, 0])),
            'error',
            ['0.5 apart along y', 'voxels measure 0.02', 'as double'],
        ),
        (dict(spacing=0.1), 'error', ['0.1', '0.02', '0.15']),
        (dict(spacing=0.04), 'warning', ['few neighbours', '0.06']),
        (dict(spacing=0.001), 'warning', ['detail', '0.003']),
        (dict(duplicates=0.8), 'note', ['80%', 'copies']),
        (dict(colors=(127.0, 127.0)), 'warning', ['all colours are 127', 'DropColor']),
        (dict(colors=(0.0, 1.0)), 'error', ['0 to 1', '255']),
        (dict(objects=None), 'error', ['no annotation']),
        (dict(objects=objects([])), 'error', ['not one object', '[0, 5]', 'label set']),
        (dict(objects=objects([0])), 'warning', ['1 of 2 classes', 'table']),
        (dict(unlabelled=0.95), 'warning', ['95%', 'lost']),
        (dict(objects=objects([0, 1], [1, 2])), 'warning', ['1 objects', 'more than one class']),
        (dict(objects=objects([0, 1, 1, 1])), 'warning', ['queries, 3', 'most is 4']),
    ],
)
def test_each_problem_is_found_by_itself(changes, level, words):
    found = find_problems('train', [scene(**changes)], EXPECTED)
    assert [finding.level for finding in found] == [level]
    text = f'{found[0].what} {found[0].remedy}'
    assert not [word for word in words if word not in text], text
    assert 'train' in findings_text(found) and findings_text(found).startswith(level.upper())


@pytest.mark.parametrize(
    'expected, level, word',
    [
        (EXPECTED._replace(model_classes=18), 'error', 'num_classes=2'),
        (EXPECTED._replace(classes=('a', 'b', 'c')), 'error', 'num_classes=3'),
    ],
)
def test_classes_of_model_and_data_must_agree(expected, level, word):
    found = find_problems(
        'train', [scene(objects=objects([0, 1, 2][: len(expected.classes)]))], expected
    )
    assert found[0].level == level and word in found[0].remedy


def test_what_only_a_training_needs_is_no_error_elsewhere():
    test = EXPECTED._replace(is_training=False)
    assert find_problems('test', [scene(objects=None)], test)[0].level == 'note'
    assert find_problems('test', [scene(objects=objects([]))], test)[0].level == 'warning'
    grey = EXPECTED._replace(drops_color=True)
    assert find_problems('train', [scene(colors=(127.0, 127.0))], grey) == []


@pytest.mark.parametrize(
    'scenes, level, words',
    [
        (
            [scene(), scene(scene='b.bin', one_color=True, colors=(30.0, 200.0))],
            'warning',
            ['1 of 2', 'b.bin', '127.5', 'DropColor'],
        ),
        (
            [scene(scene=f'{k}.bin', colors=(float(k), float(k))) for k in range(2)] + [scene()],
            'warning',
            ['2 of 3', '0.bin, 1.bin'],
        ),
        (
            [scene(one_color=True, colors=(0.0, 9.0)), scene(colors=(1.0, 1.0))],
            'warning',
            ['each scene has a single colour', 'DropColor'],
        ),
        (
            [scene(), scene(scene='c.bin', colors=(0.0, 1.0001), fractions=True)],
            'error',
            ['c.bin', '0 to 1.0001', 'by 255'],
        ),
        ([scene(), scene(scene='c.bin', colors=(0.0, 260.0))], 'error', ['c.bin', '0 to 260']),
    ],
)
def test_colours_are_judged_scene_by_scene(scenes, level, words):
    (found,) = find_problems('train', scenes, EXPECTED)
    text = f'{found.what} {found.remedy}'
    assert found.level == level and not [word for word in words if word not in text], text


def test_scenes_without_colours_among_others_are_a_note_where_the_model_knows_both():
    scenes = [scene(), scene(one_color=True)]
    (found,) = find_problems('train', scenes, EXPECTED._replace(drops_color=True))
    assert found.level == 'note'


def test_a_scene_that_may_stand_either_way_is_left_alone():
    for up in (scores(y=2.5), scores(z=1), scores(z=0, down_z=2), scores()):
        assert find_problems('train', [scene(up=up)], EXPECTED) == []


def test_scenes_that_lie_otherwise_than_the_rest_are_named():
    scenes = [
        scene(up=scores(z=6)),
        scene(scene='b.bin', up=scores(down_z=4)),
        scene(scene='c.bin', up=scores(y=5)),
        scene(up=scores(z=6)),
        scene(up=None),
    ]
    found = find_problems('train', scenes, EXPECTED)
    assert sorted(finding.what for finding in found) == [
        '-z seems to point upwards, by floor and furniture, in 1 of 5 scenes: b.bin',
        'y seems to point upwards, by floor and furniture, in 1 of 5 scenes: c.bin',
    ]


def test_scenes_that_agree_are_told_once():
    scenes = [scene(up=scores(y=lead)) for lead in (2, 4, 5, 2.5)]
    (found,) = find_problems('train', scenes, EXPECTED)
    assert 'in 4 of 4 scenes' in found.what


def test_steps_that_voxels_do_not_see_are_no_loss():
    assert find_problems('train', [scene(steps=np.array([0.008, 0, 0]))], EXPECTED) == []


def test_some_empty_scenes_are_a_warning_and_none_at_all_an_error():
    found = find_problems('train', [scene(), scene(objects=objects([]))], EXPECTED)
    assert [finding.level for finding in found] == ['warning'] and '1 of 2' in found[0].what
    assert find_problems('train', [], EXPECTED)[0].what == 'no scenes'


def test_errors_come_first_and_many_are_cut_short():
    # Normalised scans are looked for before the spacing is, and the latter is worse here.
    scenes = [scene(**size(1, 1, 1), spacing=0.5)]
    assert [finding.level for finding in find_problems('train', scenes, EXPECTED)] == [
        'error',
        'warning',
    ]
    scenes = [scene(error=f'number {k}', spacing=0.04) for k in range(25)]
    found = find_problems('train', scenes, EXPECTED)
    levels = [finding.level for finding in found]
    assert levels == sorted(levels, key=['error', 'warning'].index) and len(set(levels)) == 2
    text = findings_text(found)
    assert 'number 19' in text and 'number 20' not in text and '5 more of this level' in text


def test_statistics_of_classes_by_hand():
    scenes = [scene(objects=objects([0, 1])), scene(objects=objects([1])), scene(objects=None)]
    statistics = class_statistics(scenes, ('chair', 'table', 'sofa'))
    assert statistics['chair'] == dict(num_objects=1, mean_points=100, mean_radius=0.1)
    assert statistics['table'] == dict(num_objects=2, mean_points=150, mean_radius=0.2)
    assert statistics['sofa'] == dict(num_objects=0, mean_points=None, mean_radius=None)
    json.dumps(statistics)
    rows = class_table({'train': statistics, 'val': {}}).splitlines()
    assert [cell.strip() for cell in rows[4].split('|')[1:-1]] == ['table', '2', '150', '0.20']
    assert class_statistics([scene(objects=None)], ('chair',)) == {} == class_statistics([], ())
    assert class_table({'test': {}}) == ''


def test_summary_gives_median_and_range():
    table = summary_table(
        {
            'train': [scene(), scene(num_points=3000), scene(num_points=2000)],
            'test': [SceneFacts('x.bin', error='gone')],
        }
    )
    rows = {
        row.split('|')[1].strip(): [cell.strip() for cell in row.split('|')[2:-1]]
        for row in table.splitlines()
        if row.startswith('|')
    }
    assert rows['points per scene'] == ['2000 (1000 to 3000)', '–']
    assert rows['that stop the pipeline'] == ['0', '1']
    assert rows['objects'] == ['6', 'not annotated']
    assert rows['size along z'] == ['2.5', '–']


@pytest.mark.parametrize(
    'splits',
    [
        {'train': [scene(), scene(spacing=0.03)], 'val': [scene()]},
        {'train': [scene(objects=objects([]))]},
        {'test': [SceneFacts('x.bin', error='gone')]},
        {'test': [scene(objects=None, num_voxels=None)]},
    ],
    ids=['two splits', 'no objects', 'nothing read', 'no annotation'],
)
def test_picture_can_be_drawn_of_anything(tmp_path, splits):
    from PIL import Image

    save_distributions(tmp_path / 'new' / 'a.png', splits, EXPECTED)
    with Image.open(tmp_path / 'new' / 'a.png') as image:
        assert image.width > 1000 and len(image.convert('RGB').getcolors(1 << 20)) > 10
