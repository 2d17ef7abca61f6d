# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From a run to files and back: the same scores, and faults refused."""

import json
import zipfile

import numpy as np
import pytest

from insseg3d.evaluation.functional import load_results


@pytest.fixture
def checkpoint(run_tool, tiny_config, tmp_path):
    run_tool('train.py', tiny_config, '--work-dir', 'run')
    return tmp_path / 'run' / 'iter_2.pth'


def test_written_validated_and_scored_a_run_keeps_its_scores(
    run_tool, here, tiny_config, checkpoint, tmp_path
):
    run_tool(
        'test.py',
        tiny_config,
        checkpoint,
        '--work-dir',
        'run',
        '--cfg-options',
        'test_evaluator.results_file=run.npz',
        'test_evaluator.min_points=5',
    )
    wrote = run_tool('submit.py', tiny_config, checkpoint, '--out', 'a/pred.zip')
    assert 'pred.zip: 1 scenes, valid' in wrote.stdout
    valid = here('submit', tiny_config, '--validate', 'a/pred.zip')
    assert '1 scenes, valid' in valid.stdout
    assert here('export_gt', tiny_config, '--out', 'gt').returncode == 0
    scored = here(
        'evaluate',
        '--pred',
        'a/pred.zip',
        '--gt',
        'gt',
        '--label-set',
        'scannet',
        '--min-points',
        5,
        '--json',
        'b/s.json',
        '--results',
        'again.npz',
    )
    one, two = (load_results(tmp_path / name) for name in ('run.npz', 'again.npz'))
    for name in (
        'pred_labels',
        'pred_scores',
        'pred_sizes',
        'pred_void',
        'gt_sizes',
        'intersections',
    ):
        np.testing.assert_array_equal(
            getattr(one.scenes[0].overlap, name), getattr(two.scenes[0].overlap, name)
        )
    metrics = json.loads((tmp_path / 'b/s.json').read_text())
    assert {'AP', 'AP50', 'AP25', 'classes'} <= metrics.keys() and len(metrics['classes']) == 18
    assert '| chair' in scored.stdout and '| all' in scored.stdout

    with zipfile.ZipFile(tmp_path / 'a/pred.zip') as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / 'bad.zip', 'w') as archive:
        for name, data in content.items():
            archive.writestr(name, data[:-2] if name.startswith('predicted_masks') else data)
    bad = here('submit', tiny_config, '--validate', 'bad.zip')
    assert bad.returncode == 1 and 'no valid submission' in bad.stderr
    bad = here('evaluate', '--pred', 'bad.zip', '--gt', 'gt', '--label-set', 'scannet')
    assert bad.returncode == 1 and 'predicted_masks' in bad.stderr and 'points' in bad.stderr


def test_perfect_predictions_score_one_everywhere(here, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / 'gt').mkdir()
    (tmp_path / 'pred').mkdir()
    for scene in ('Area_1_a', 'Area_1_b'):
        ids = np.repeat(np.arange(1, 14) * 1000 + 1 + np.arange(13), 150)
        rng.shuffle(ids)
        (tmp_path / 'gt' / f'{scene}.txt').write_text('\n'.join(map(str, ids)) + '\n')
        masks = ids == np.unique(ids)[:, None]
        np.savez(
            tmp_path / 'pred' / f'{scene}.npz',
            masks=masks,
            scores=rng.uniform(0.5, 1, 13),
            label_ids=np.arange(1, 14),
        )
    here('evaluate', '--pred', 'pred', '--gt', 'gt', '--label-set', 's3dis', '--json', 'j')
    metrics = json.loads((tmp_path / 'j').read_text())
    assert all(row == dict(AP=1, AP50=1, AP25=1) for row in metrics['classes'].values())
    assert metrics['classes'].keys() >= {'ceiling', 'clutter'}  # class 0 counts as the others
    for mode in ('partition', 'overlap'):
        for name in ('mCov', 'mWCov', 'mPrec50', 'mRec50'):
            assert metrics[f'{mode}/{name}'] == 1
    assert metrics['score_threshold'] == 0.3
    (tmp_path / 'pred' / 'Area_1_b.npz').unlink()
    result = here('evaluate', '--pred', 'pred', '--gt', 'gt', '--label-set', 's3dis')
    assert result.returncode == 1 and "scenes missing: ['Area_1_b']" in result.stderr


def test_groups_of_scannet200(here, tmp_path):
    from insseg_analysis.label_sets import class_groups, label_set

    labels, groups = label_set('scannet200'), class_groups('scannet200')
    some = [
        next(k for k, name in enumerate(labels.names) if groups[name] == group)
        for group in ('head', 'common', 'tail')
    ]
    ids = np.repeat(np.array(labels.ids)[some] * 1000 + np.arange(1, 4), 150)
    for folder in ('gt', 'pred'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'gt' / 'a.txt').write_text('\n'.join(map(str, ids)) + '\n')
    masks = np.stack([ids == ids[0], ids == ids[200], np.arange(450) < 0])  # the last is missed
    np.savez(
        tmp_path / 'pred' / 'a.npz',
        masks=masks,
        scores=np.ones(3),
        label_ids=np.array(labels.ids)[some],
    )
    result = here(
        'evaluate', '--pred', 'pred', '--gt', 'gt', '--label-set', 'scannet200', '--json', 'j'
    )
    metrics = json.loads((tmp_path / 'j').read_text())
    assert [metrics[f'AP_{group}'] for group in ('head', 'common', 'tail')] == [1, 1, 0]
    assert metrics['AP'] == pytest.approx(2 / 3) and 'AP50_tail 0.0000' in result.stdout


@pytest.mark.parametrize(
    'change, words',
    [
        (['--label-set', 'none'], ["'none'", 'scannet200']),
        (['--pred', 'nowhere'], ['nowhere']),
    ],
)
def test_wrong_arguments_are_named(here, tmp_path, change, words):
    (tmp_path / 'gt').mkdir()
    (tmp_path / 'gt' / 'a.txt').write_text('0\n')
    result = here('evaluate', '--pred', 'gt', '--gt', 'gt', '--label-set', 'scannet', *change)
    assert result.returncode == 1 and not [word for word in words if word not in result.stderr]
