# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""docs/results.md is what the results in the repository say, and the paper's numbers are whole."""

import json
import re
from pathlib import Path

import pytest

from insseg_lab.experiments import results_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / 'docs'


@pytest.fixture
def paper():
    return json.loads((DOCS / 'paper_tables.json').read_text())


def made_up_run(name, seed, ap, folder='queryis/ablations/table4'):
    scores = dict(AP=ap, AP50=ap, AP25=ap)
    return dict(
        scores,
        leaf=f'configs/{folder}/{name}.py',
        seed=seed,
        commit='c' * 40,
        budget=dict(iterations=7, batch_size=2, train_rooms=3, held_out_rooms=1),
        command='python tools/run_experiments.py made-up',
        machine='2 cores of a made-up machine',
        versions=dict(torch='0.0'),
        parameters=2_000_000,
        seconds_train=9.0,
        peak_memory_mb=None,
        classes=dict(bed=scores),
    )


def test_page_is_what_the_results_say(here, tmp_path):
    here('results', '--out', tmp_path / 'results.md')
    assert (tmp_path / 'results.md').read_text() == (DOCS / 'results.md').read_text(), (
        'docs/results.md is not what results/ says: run `make results`'
    )
    made = {path.name for path in tmp_path.glob('*.png')}
    assert made == {path.name for path in DOCS.glob('results_*.png')}


def test_runs_stand_beside_the_papers_numbers(here, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    for name, seed, ap in (('fps', 0, 0.2), ('fps', 1, 0.4), ('random', 0, 0.1), ('own', 0, 0.6)):
        (folder / f'{name}{seed}.json').write_text(json.dumps(made_up_run(name, seed, ap)))
    here('results', folder, '--out', tmp_path / 'page.md')
    page = (tmp_path / 'page.md').read_text()
    rows = [line for line in page.splitlines() if '(../configs/' in line]
    # In the order of Table 4; what is not in it behind.
    assert [re.match(r'\| \[(.*?)\]', row)[1] for row in rows] == ['Random', 'FPS', 'own']
    assert '| 30.0 ± 14.1 | 30.0 ± 14.1 | 30.0 ± 14.1 | +20.0 | 40.1 / 61.1 | 0, 1 |' in rows[1]
    assert '| none |' in rows[2] and '[1] `python tools/run_experiments.py made-up`' in page
    assert 'commit cccccccccccc, 2 cores of a made-up machine' in page
    assert (tmp_path / 'results_mine_table4.png').stat().st_size > 5000
    assert 'Nothing was run yet' not in page


def test_ablations_stand_behind_the_model_that_they_vary(here, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    full = 'queryis-s_1xb10-150k_scannet'
    for name, place in (
        (full, 'queryis'),
        ('other', 'other'),
        ('eq2-softmax', 'queryis/ablations/choices'),
        ('points-500', 'queryis/ablations/fig4'),
        ('fps', 'queryis/ablations/table4'),
    ):
        (folder / f'{name}.json').write_text(json.dumps(made_up_run(name, 0, 0.5, place)))
    here('results', folder, '--out', tmp_path / 'page.md')
    page = (tmp_path / 'page.md').read_text()
    tables = [
        re.findall(r'^\| \[(.*?)\]\(\.\./', part, re.MULTILINE)
        for part in re.split('^### ', page, flags=re.MULTILINE)[1:]
    ]
    assert tables == [
        ['3D-QueryIS-S', 'other'],
        ['full', 'FPS'],
        ['full', 'points-500'],
        ['full', 'eq2-softmax'],
    ]
    pictures = {path.stem for path in tmp_path.glob('*.png')}
    assert pictures == {
        f'results_mine_{topic}' for topic in ('methods', 'table4', 'fig4', 'choices')
    }


def test_ablations_of_queryis_plus_stand_behind_it(here, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    for name, place in (
        ('queryis-s_1xb10-150k_scannet', 'queryis'),
        ('queryis-plus-s_1xb10-150k_scannet', 'queryis'),
        ('without-pilots', 'queryis/ablations/plus'),
    ):
        (folder / f'{name}.json').write_text(json.dumps(made_up_run(name, 0, 0.5, place)))
    here('results', folder, '--out', tmp_path / 'page.md')
    methods, plus = (tmp_path / 'page.md').read_text().split('### 3D-QueryIS+, part by part')
    assert '[3D-QueryIS-S]' in methods and '[3D-QueryIS+-S]' in methods
    rows = [line for line in plus.splitlines() if '(../configs/' in line]
    names = [re.match(r'\| \[(.*?)\]', row)[1] for row in rows]
    assert names == ['3D-QueryIS+-S', 'without-pilots']


def test_only_fig4_is_drawn_as_curves(tmp_path, monkeypatch):
    """Among other choices, leaves with a number would push those without one out."""
    drawn = {}
    monkeypatch.setattr(
        results_page,
        'draw_leaves',
        lambda leaves, label: drawn.setdefault(
            Path(leaves[-1].leaf).parent.name, [label(leaf) for leaf in leaves]
        ),
    )
    for name, place in (
        ('queryis-s_1xb10-150k_scannet', 'queryis'),
        ('points-500', 'fig4'),
        ('points-1000', 'fig4'),
        ('eq2-softmax', 'choices'),
        ('stride-2', 'choices'),
    ):
        folder = place if place == 'queryis' else f'queryis/ablations/{place}'
        (tmp_path / f'{name}.json').write_text(json.dumps(made_up_run(name, 0, 0.5, folder)))
    results_page.make_page([tmp_path])
    assert drawn == {
        'fig4': ['points-500', 'points-1000'],
        'choices': ['full', 'eq2-softmax', 'stride-2'],
    }


def test_two_leaves_of_one_method_keep_their_names(here, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    for name in ('hais-s_short', 'hais-s_long', 'pointgroup-s_long'):
        (folder / f'{name}.json').write_text(
            json.dumps(made_up_run(name, 0, 0.5, name.split('-')[0]))
        )
    here('results', folder, '--out', tmp_path / 'page.md')
    names = re.findall(r'^\| \[(.*?)\]\(\.\./', (tmp_path / 'page.md').read_text(), re.MULTILINE)
    assert names == ['HAIS-S (hais-s_long)', 'HAIS-S (hais-s_short)', 'PointGroup-S']


@pytest.mark.parametrize(
    'machine, device',
    [
        ('8 cores of AMD Ryzen 7 5700G with Radeon Graphics, 16 GB, Linux', 'training process'),
        ('NVIDIA H100 with 80 GB, 16 cores of a made-up machine, 64 GB, Linux', 'GPU'),
    ],
)
def test_whose_memory_it_is(here, tmp_path, machine, device):
    folder = tmp_path / 'mine'
    folder.mkdir()
    run = dict(made_up_run('fps', 0, 0.5), machine=machine)
    (folder / 'fps.json').write_text(json.dumps(run))
    here('results', folder, '--out', tmp_path / 'page.md')
    assert f'memory is that of the {device}.' in (tmp_path / 'page.md').read_text()


def test_without_results_it_says_so(here, tmp_path):
    (tmp_path / 'empty').mkdir()
    for name in ('results_gone.png', 'mine.png'):
        (tmp_path / name).touch()
    here('results', tmp_path / 'empty', '--out', tmp_path / 'page.md')
    assert [path.name for path in tmp_path.glob('*.png')] == ['mine.png']
    page = (tmp_path / 'page.md').read_text()
    assert 'Nothing was run yet' in page and 'Ours: not measured yet' in page
    assert page.count('not trained yet') >= 9


def test_a_folder_that_is_not_there(here, tmp_path):
    assert here('results', tmp_path / 'nothing', '--out', tmp_path / 'x.md').returncode == 1


def test_every_row_of_the_paper_is_here(paper):
    assert [len(paper[f'table{number}']['rows']) for number in range(1, 6)] == [15, 15, 12, 5, 4]
    for row in paper['table3']['rows']:
        assert len(row['area5']) == len(row['folds']) == 4
    for name in ('table1', 'table2'):
        assert len(paper[name]['classes']) == 18 == len(set(paper[name]['classes']))
    assert set(paper['table1']['classes']) == set(paper['table2']['classes'])


def test_classes_of_the_paper_have_the_mean_that_it_gives(paper):
    """Catches most slips of copying: within 0.8, as the paper's own rows are."""
    for name in ('table1', 'table2'):
        rows = [row for row in paper[name]['rows'] if 'classes' in row]
        assert rows
        for row in rows:
            assert sum(row['classes']) / 18 == pytest.approx(row['AP50'], abs=0.8)


def test_stages_of_the_paper_add_up(paper):
    for row in paper['table5']['rows']:
        assert row['features'] + row['query_generation'] + row['masks'] == row['total']


def test_full_model_of_table_4_is_the_small_one_of_table_1(paper):
    small = next(row for row in paper['table1']['rows'] if row['method'] == '3D-QueryIS-S')
    full = paper['table4']['rows'][0]
    assert (full['AP'], full['AP50']) == (small['AP'], small['AP50'])


def test_times_stand_as_multiples_of_queryis_of_the_same_width(here, tmp_path):
    folder = tmp_path / 'mine'
    folder.mkdir()
    stages = dict(
        backbone=10.0,
        query_generation=20.0,
        masks=5.0,
        postprocess=5.0,
        read=0.0,
        voxelize=0.0,
        transfer=0.0,
        end_to_end=0.0,
    )
    entries, details = [], []
    for name, total in (('queryis-s_x', 40.0), ('other-s_x', 100.0), ('other-l_x', 80.0)):
        entries.append(
            dict(
                config=f'configs/any/{name}.py',
                stages_ms=dict(stages, total=total),
                scans=1,
                peak_memory_mb=1.0,
                points=7,
                commit='c' * 40,
                parameters=1_000_000,
                exponent=None,
                versions=dict(torch='0.0'),
                device='cpu',
            )
        )
        details.append(
            dict(
                machine='made-up',
                amp=False,
                operations=None,
                scaling=[],
                spread_ms=dict(total=1.0),
                threads=1,
                command='made-up',
            )
        )
    for name, rows in (('speed.json', entries), ('speed.json.details.json', details)):
        (folder / name).write_text(json.dumps(rows))
    here('results', folder, '--out', tmp_path / 'page.md')
    lines = (tmp_path / 'page.md').read_text().splitlines()
    assert lines.count('made-up') == 1  # the command of all three
    rows = [line for line in lines if '_x, ours' in line]
    assert [row.split('|')[7].strip() for row in rows] == ['1.0 ×', '2.5 ×', '–']
