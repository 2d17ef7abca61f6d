# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""From files to labelled clouds, tables and pages: the command as people use it."""

import copy
import csv
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import sys
import unicodedata
from argparse import Namespace
from pathlib import Path
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
import torch
from plyfile import PlyData, PlyElement

import queryis  # noqa: F401
from insseg3d.apis import (
    InstanceSeg3DInferencer,
    Tiling,
    batch,
    load_model,
    model_index,
    predict_points,
)
from insseg3d.apis.batch import folder_names, share_of
from insseg3d.apis.checkpoint_config import part_to_run
from insseg3d.apis.model_index import choose_model, own_packages
from insseg_lab.inference import Finder, FindingOptions

from .test_distributed import free_port

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / 'configs' / 'queryis' / 'queryis-s_demo.py'
LENIENT = ['--score-thr', '0.05', '--min-voxels', '10', '--device', 'cpu']


def write_ply(path, points):
    vertex = np.empty(
        len(points),
        dtype=[
            *((name, 'f8') for name in 'xyz'),
            *((name, 'u1') for name in ('red', 'green', 'blue')),
        ],
    )
    for i, name in enumerate(vertex.dtype.names):
        vertex[name] = points[:, i]
    PlyData([PlyElement.describe(vertex, 'vertex')]).write(str(path))


@pytest.fixture
def infer(here, sure_weights):
    def run(*args, model='queryis-s_demo', weights=sure_weights):
        return here('infer', *LENIENT, '--model', model, '--weights', weights, *args)

    return run


@pytest.fixture
def scans(own_points, tmp_path):
    """Three good ones, two of which share their stem, and a bad one."""
    folder = tmp_path / 'scans'
    (folder / 'more').mkdir(parents=True)
    write_ply(folder / 'room.ply', own_points)
    own_points.astype(np.float32).tofile(folder / 'room.bin')
    survey = own_points + (4_500_000.125, 0, 0, 0, 0, 0)
    np.save(folder / 'survey.npy', survey)
    (folder / 'broken.ply').write_bytes(b'ply\n')
    return folder


def test_a_folder_of_scans(infer, scans, tmp_path, sure_weights, own_points):
    result = infer(scans, '--out', 'found')
    assert result.returncode == 1
    assert '3 scans done, 1 failed; see found' in result.stdout
    (line,) = [line for line in result.stderr.splitlines() if line.startswith('infer.py: ')]
    assert 'broken.ply: no complete PLY header' in line and 'Traceback' not in result.stderr
    out = tmp_path / 'found'
    assert {path.name for path in out.iterdir()} == {'index.html', 'room.ply', 'room.bin', 'survey'}
    page = (out / 'index.html').read_text()
    for name in ('room.ply', 'room.bin', 'survey'):
        assert f'href="{name}/view.html"' in page
        for file in re.findall(rf'href="({name}/[^"]*)"', page):
            assert (out / file).is_file()
    assert 'no complete PLY header' in page and page.count('data:image/png') == 3
    assert not re.search(r'(src|href)="(https?:)?//', page)
    inferencer = InstanceSeg3DInferencer(CONFIG, sure_weights, 'cpu', score_thr=0.05, min_voxels=10)
    expected = inferencer(own_points)
    for name in ('room.ply', 'room.bin', 'survey'):
        check_files(out / name, expected, own_points)


def check_files(folder, expected, own_points):
    vertex = PlyData.read(str(folder / 'labelled.ply'))['vertex']
    xyz = np.stack([vertex[axis] for axis in 'xyz'], axis=1)
    shift = 4_500_000.125 if folder.name == 'survey' else 0
    np.testing.assert_array_equal(xyz, own_points[:, :3] + (shift, 0, 0))
    np.testing.assert_array_equal(vertex['instance'], expected.instance)
    np.testing.assert_array_equal(
        vertex['class'], np.append(expected.labels, -1)[expected.instance]
    )
    np.testing.assert_allclose(
        vertex['score'], np.append(expected.scores, 0)[expected.instance], rtol=1e-5
    )
    record = json.loads((folder / 'objects.json').read_text())
    assert [row['class'] for row in record['objects']] == expected.names
    assert record['left_out_as_small'] == expected.num_small and record['min_voxels'] == 10
    assert record['num_points'] == 5000 and any('units are m' in r for r in record['remarks'])
    with open(folder / 'objects.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert [int(row['points']) for row in rows] == expected.sizes.tolist()
    assert float(rows[0]['box_min_x']) == record['objects'][0]['box_min'][0]
    with np.load(folder / 'masks.npz', allow_pickle=False) as file:
        masks = np.unpackbits(file['masks'], axis=1, count=int(file['num_points'])).astype(bool)
        assert file['names'].tolist() == expected.names
    np.testing.assert_array_equal(masks, expected.masks)
    assert '<canvas' in (folder / 'view.html').read_text()


def test_a_rerun_skips_what_is_done(infer, scans, tmp_path):
    arguments = (scans / 'room.ply', scans / 'survey.npy', '--out', 'found')
    assert infer(*arguments).returncode == 0
    record = tmp_path / 'found' / 'room' / 'objects.json'
    first = record.stat().st_mtime_ns

    def again(*options):
        return infer(*arguments, *options).stdout.count('(done before)')

    assert again() == 2 and record.stat().st_mtime_ns == first
    (tmp_path / 'found' / 'survey' / 'masks.npz').unlink()
    assert again() == 1  # what is not whole is done again
    assert again('--up', 'z') == 0  # as is what was done otherwise
    assert again('--up', 'z') == 2 and again('--up', 'z', '--again') == 0
    os.utime(scans / 'room.ply', ns=(0, 0))
    assert again('--up', 'z') == 1  # or of another scan
    record.write_text('{')
    assert again('--up', 'z') == 1


def test_the_name_of_a_trained_model_is_enough(here, scans, sure_weights, tmp_path, monkeypatch):
    monkeypatch.setattr(model_index, '_CHECKOUT', tmp_path)  # demos of yours are left alone
    work = tmp_path / 'work_dirs' / 'queryis-s_demo'
    work.mkdir(parents=True)
    shutil.copy(sure_weights, work / 'iter_2.pth')
    (work / 'last_checkpoint').write_text(str(work / 'iter_2.pth'))
    arguments = scans / 'room.ply', '--model', 'queryis-s_demo', '--out', 'found', *LENIENT
    assert here('infer', *arguments).returncode == 0
    expected = InstanceSeg3DInferencer(
        'queryis-s_demo', device='cpu', score_thr=0.05, min_voxels=10
    )
    assert expected.weights == str(work / 'iter_2.pth')
    record = json.loads((tmp_path / 'found' / 'room' / 'objects.json').read_text())
    assert [row['class'] for row in record['objects']] == expected(scans / 'room.ply').names
    shutil.rmtree(work)
    assert here('infer', *arguments).returncode == 2


def test_results_depend_on_what_finds_objects_and_on_nothing_else(sure_weights):
    args = dict(min_voxels=30, min_points=1, score_thr=0.3, strict=False, units=None, up=None)
    args |= dict(color_range=None, columns=('x', 'y', 'z'), mesh_samples=0, tile=None, overlap=None)
    args['class_agnostic'] = False
    options = FindingOptions.of(Namespace(**args, out='found', again=True, quiet=True))
    config, weights = choose_model('queryis-s_demo', sure_weights)

    def made_from(config):
        finder = Finder(model='demo', config=config, weights=weights, device='cpu', options=options)
        return finder.made_from()

    known = made_from(config)
    assert known['options'] == dict(args, columns=['x', 'y', 'z'])
    other = copy.deepcopy(config)
    other.train_cfg.max_iters = 1
    other.default_hooks.logger.interval = 1
    assert made_from(other) == known
    other.model.decode_head.num_classes = 17
    assert made_from(other) != known
    # Of the config inside a checkpoint everything is in use: its hash is that of the whole.
    inside = part_to_run(config, 'x.pth', own_packages())
    text = inside.pretty_text.encode()
    assert made_from(inside)['config'] == hashlib.sha256(text).hexdigest()


def test_one_scan_into_one_file(infer, scans, tmp_path):
    result = infer(scans / 'room.ply', '--out', 'found.ply', '--picture', 'found.png')
    assert result.returncode == 0 and '5,000 points' in result.stdout
    assert 'voxels left out; written to found.ply' in result.stdout
    assert PlyData.read(str(tmp_path / 'found.ply'))['vertex'].count == 5000
    assert (tmp_path / 'found.png').stat().st_size > 1000
    assert infer(scans, '--out', 'found.ply').returncode == 2


@pytest.mark.parametrize(
    'name,content,message',
    [
        ('scan.bin', b'\0' * 20, 'expected a multiple of 24'),
        ('scan.bin', b'', 'an empty file'),
        ('scan.doc', b'1', "ending '.doc'"),
        ('none.bin', None, 'No such file'),
        ('nan.bin', np.float32([0, 0, np.nan, 9, 9, 9]).tobytes(), 'none with finite coordinates'),
    ],
)
def test_bad_scans_are_refused_in_one_line(infer, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = infer(tmp_path / name, '--out', 'found')
    assert result.returncode == 1 and message in result.stderr
    assert result.stderr.count('infer.py: ') == 1 and 'Traceback' not in result.stderr


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(model='nonsense'), 'neither the path of a config nor a known model'),
        (dict(weights='none.pth'), 'none.pth'),
    ],
)
def test_what_concerns_all_scans_ends_at_once(infer, scans, options, message):
    result = infer(scans, '--out', 'found', **options)
    assert result.returncode == 2 and message in result.stderr


def test_strict_refuses_and_a_hand_helps(infer, scans, own_points):
    np.save(scans / 'bare.npy', own_points[:, :3])
    refused = infer(scans / 'bare.npy', '--strict', '--out', 'found')
    assert refused.returncode == 1 and 'no colours' in refused.stderr
    assert (
        infer(scans / 'bare.npy', '--strict', '--color-range', 'none', '--out', 'found').returncode
        == 0
    )


def test_large_scans_tile_by_tile(infer, scans, own_points, sure_weights, tmp_path):
    result = infer(scans / 'room.ply', '--tile', '2', '--out', 'found')
    assert 'done in 4 tiles of 2 m that overlap by at least 0.5 m' in result.stdout
    inferencer = InstanceSeg3DInferencer(
        CONFIG, sure_weights, 'cpu', score_thr=0.05, min_voxels=10, tiling=Tiling(2, 0.5)
    )
    check_files(tmp_path / 'found' / 'room', inferencer(own_points), own_points)
    again = infer(scans / 'room.ply', '--tile', '2', '--overlap', '0.5', '--out', 'found').stdout
    assert '(done before)' not in again and 'at least 0.5 m' in again
    for wrong, message in (
        (('--overlap', '1'), 'say their size with --tile'),
        (('--tile', '2', '--overlap', '1.5'), 'expected a positive size'),
    ):
        result = infer(scans / 'survey.npy', '--out', 'other', *wrong)
        assert result.returncode == 2 and message in result.stderr


def test_two_processes_share_the_scans(scans, sure_weights, tmp_path):
    command = [
        sys.executable,
        '-m',
        'torch.distributed.run',
        '--nproc_per_node=2',
        f'--master_port={free_port()}',
        str(ROOT / 'tools' / 'infer.py'),
        str(scans),
        '--model',
        'queryis-s_demo',
        '--weights',
        str(sure_weights),
        '--out',
        'found',
        *LENIENT,
    ]
    env = dict(os.environ, CUDA_VISIBLE_DEVICES='', OMP_NUM_THREADS='1')
    result = subprocess.run(
        command, cwd=tmp_path, env=env, text=True, capture_output=True, timeout=200
    )
    assert result.returncode != 0  # of the broken scan
    assert '3 scans done, 1 failed' in result.stdout
    assert result.stdout.count('Loads checkpoint') == 2  # both had something to do
    page = (tmp_path / 'found' / 'index.html').read_text()
    assert page.count('data:image/png') == 3 and page.count('class="failed"') == 1
    assert result.stderr.count('broken.ply: no complete PLY header') == 1


def test_scans_are_dealt_out_once_each(tmp_path):
    scans = [tmp_path / f'{k}.bin' for k in range(7)]
    for k, scan in enumerate(scans):
        scan.write_bytes(bytes(k))
    shares = [share_of(scans, rank, 3) for rank in range(3)]
    assert sorted(sum(shares, [])) == scans
    assert [share[0].stat().st_size for share in shares] == [6, 5, 4]


def test_folders_have_names_of_their_own():
    paths = [
        Path(p)
        for p in (
            'a/room.ply',
            'a/room.bin',
            'b/room.bin',
            'c/hall.ply',
            'c/Hall.las',
            'd/desk.xyz',
        )
    ]
    names = folder_names(paths)
    assert names[paths[5]] == 'desk' and names[paths[0]] == 'room.ply'
    assert names[paths[1]] == 'a%2Froom.bin'
    assert len({name.lower() for name in names.values()}) == len(paths)
    assert not any('/' in name for name in names.values())


def test_folders_have_names_that_file_systems_take():
    long = [Path('/', *('室' * 40,) * 3, str(k), 'mesh.ply') for k in range(3)]
    paths = [
        *long,
        Path('index.html.ply'),
        Path('INDEX.HTML.npy'),
        Path('taken.ply'),
        Path(os.fsdecode(b'k\xfcche.ply')),
        Path('a/é.ply'),
        Path('b/e\u0301.ply'),
    ]
    names = folder_names(paths, ['taken'])
    assert len({unicodedata.normalize('NFC', name).casefold() for name in names.values()}) == 9
    for name in names.values():
        assert len(name.encode()) <= 255 and '/' not in name
        assert name.casefold() not in ('index.html', 'taken')


def test_odd_names_take_nothing_else_down(infer, own_points, tmp_path):
    folder = tmp_path / 'scans'
    folders = [folder / ('室' * 70) / str(k) for k in range(2)]
    scans = [folder / 'index.html.ply', *(place / 'mesh.ply' for place in folders)]
    for place in folders:
        place.mkdir(parents=True)
    if os.name == 'posix':
        scans.append(folder / os.fsdecode(b'k\xfcche.ply'))
    for scan in scans:
        write_ply(scan, own_points)
    result = infer(*scans, '--out', 'found')
    assert result.returncode == 0, result.stderr
    page = (tmp_path / 'found' / 'index.html').read_text(encoding='utf-8')
    assert page.count('data:image/png') == len(scans)
    links = re.findall(r'href="([^"]*view\.html)"', page)
    for link in links:
        assert (tmp_path / 'found' / os.fsdecode(unquote_to_bytes(html.unescape(link)))).is_file()
    for record in (tmp_path / 'found').glob('*/result.json'):
        json.loads(record.read_text(encoding='utf-8'))
    assert infer(*scans, '--out', 'found').stdout.count('(done before)') == len(scans)


def test_arrays_apart_are_one_scan_and_companions_none(infer, own_points, tmp_path):
    folder = tmp_path / 'scans' / 'room'
    folder.mkdir(parents=True)
    np.save(folder / 'coord.npy', own_points[:, :3])
    np.save(folder / 'color.npy', own_points[:, 3:])
    np.save(folder / 'normal.npy', np.ones((len(own_points), 3)))
    np.save(folder / 'segment.npy', np.zeros(len(own_points), dtype=int))
    write_ply(tmp_path / 'scans' / 'kitchen.ply', own_points)
    (tmp_path / 'scans' / '._kitchen.ply').write_bytes(b'\0\5\26\7 Mac OS X')
    for source in (tmp_path / 'scans', folder, folder / 'coord.npy'):
        result = infer(source, '--out', 'found', '--again')
        assert result.returncode == 0, result.stderr
        assert '0 failed' in result.stdout and 'no colours' not in result.stdout
    same = [(tmp_path / 'found' / name / 'objects.csv').read_text() for name in ('room', 'kitchen')]
    assert same[0] == same[1]
    refused = infer(folder / 'color.npy', '--out', 'found')
    assert refused.returncode == 1 and 'color.npy: belongs to' in refused.stderr


def test_a_scan_whose_files_cannot_be_written_takes_nothing_else_down(
    infer, scans, tmp_path, monkeypatch
):
    def write_files(folder, *rest):
        if folder.name == 'survey':
            raise OSError(28, 'No space left on device')
        return original(folder, *rest)

    original = batch.write_files
    monkeypatch.setattr(batch, 'write_files', write_files)
    result = infer(scans, '--out', 'found')
    assert '2 scans done, 2 failed' in result.stdout and result.returncode == 1
    assert 'survey.npy: [Errno 28] No space left' in result.stderr


def test_a_dead_link_is_a_failed_scan(infer, scans, tmp_path):
    (scans / 'far.ply').symlink_to(tmp_path / 'disk' / 'far.ply')
    result = infer(scans, '--out', 'found')
    assert '3 scans done, 2 failed' in result.stdout
    assert re.search(r'far\.ply: link to .*far\.ply, which is not there', result.stderr)


@pytest.mark.parametrize('device', ['cuda', 'cuda:9', 'mps', 'gpu', 'xla', 'hpu', 'cpu:x'])
def test_a_device_that_is_not_here_is_one_line(infer, scans, device):
    if (
        device == 'cuda'
        and torch.cuda.is_available()
        or (device == 'mps' and torch.backends.mps.is_available())
    ):
        pytest.skip('it is here')
    result = infer(scans / 'room.ply', '--out', 'found', '--device', device)
    told = result.stderr
    assert result.returncode == 2 and 'cpu' in told and device in told
    assert len(told.strip().splitlines()) == 1 and 'Traceback' not in told


def test_where_a_scan_lies_does_not_matter_to_the_bare_model(sure_weights, own_points):
    model, config = load_model(CONFIG, str(sure_weights))
    points = own_points.astype(np.float32)
    here = predict_points(model, config, points).pred_instances_3d
    # By a multiple of the voxel size that float32 holds exactly, so that no voxel changes.
    there = predict_points(model, config, points + np.float32([60, -120, 0, 0, 0, 0]))
    assert torch.equal(here.labels_3d, there.pred_instances_3d.labels_3d)
    with pytest.raises(ValueError, match=r'shape \(5000, 3\), expected \(P, 6\)'):
        predict_points(model, config, points[:, :3])
