# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Files for other programs: round trips, and errors that name the file and the line."""

import io
import shutil
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from insseg3d.evaluation.exchange import (
    ExchangeError,
    LabelSet,
    Predictions,
    check_predictions,
    open_source,
    read_predictions,
    read_truth,
    scene_names,
    truth_ids,
    write_predictions,
    write_truth,
)
from insseg3d.evaluation.functional import instance_ap, scene_table

LABELS = LabelSet(('chair', 'table', 'lamp'), (5, 7, 3))


def predictions(seed=0, num_masks=4, num_points=50):
    rng = np.random.default_rng(seed)
    return Predictions(
        rng.random((num_masks, num_points)) < 0.3,
        rng.integers(0, 3, num_masks),
        rng.random(num_masks),
    )


def write_folder(root, scenes):
    def write(name, content):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)

    for scene, found in scenes.items():
        write_predictions(write, scene, found, LABELS)
    return root


def write_zip(path, scenes):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as archive:
        for scene, found in scenes.items():
            write_predictions(archive.writestr, scene, found, LABELS)
    return path


def write_npz(root, scenes, packed):
    root.mkdir(parents=True, exist_ok=True)
    for scene, found in scenes.items():
        masks = (
            dict(packed_masks=np.packbits(found.masks, axis=1), num_points=found.masks.shape[1])
            if packed
            else dict(masks=found.masks)
        )
        np.savez(
            root / f'{scene}.npz',
            **masks,
            scores=found.scores,
            label_ids=np.array(LABELS.ids)[found.labels],
        )
    return root


@pytest.mark.parametrize('form', ['folder', 'zip', 'npz', 'packed npz'])
def test_predictions_come_back_to_the_last_bit(tmp_path, form):
    scenes = {'a': predictions(0), 'b': predictions(1, num_masks=12), 'c': predictions(2, 0)}
    path = {
        'folder': lambda: write_folder(tmp_path / 'f', scenes),
        'zip': lambda: write_zip(tmp_path / 'f.zip', scenes),
        'npz': lambda: write_npz(tmp_path / 'f', scenes, False),
        'packed npz': lambda: write_npz(tmp_path / 'f', scenes, True),
    }[form]()
    source = open_source(path)
    assert scene_names(source) == ['a', 'b', 'c']
    for scene, found in scenes.items():
        for one, two in zip(read_predictions(source, scene, LABELS, 50), found):
            np.testing.assert_array_equal(one, two)
    assert check_predictions(source, dict.fromkeys('abc', 50), LABELS) == []


@given(st.integers(0, 2**31), st.integers(0, 80))
@settings(max_examples=60, deadline=None)
def test_truth_comes_back_and_scores_the_same(seed, num_points):
    rng = np.random.default_rng(seed)
    instance = rng.integers(-1, 6, num_points)
    semantic = rng.integers(0, 4, 7)[instance]
    ids = truth_ids(instance, semantic, LABELS)
    text = io.BytesIO(b'\n'.join(ids.astype(np.bytes_).tolist()))

    class Memory:
        path = 'memory'
        read = staticmethod(lambda name: text.getvalue())

    truth = read_truth(Memory, 'a', LABELS)
    inside = (instance >= 0) & (semantic < 3)
    np.testing.assert_array_equal(truth.instance >= 0, inside)
    np.testing.assert_array_equal(truth.semantic[inside], semantic[inside])
    found = predictions(seed, 5, num_points)
    tables = [
        scene_table(
            pred_masks=found.masks,
            pred_labels=found.labels,
            pred_scores=found.scores,
            gt_instance=i,
            gt_semantic=s,
            num_classes=3,
        )
        for i, s in ((instance, semantic), truth)
    ]
    one, two = (instance_ap([table], num_classes=3, min_points=3).ap for table in tables)
    np.testing.assert_array_equal(one, two)


def test_truth_by_hand(tmp_path):
    ids = truth_ids(np.array([4, 4, 9, -1, 2, 9]), np.array([1, 1, 0, 0, 3, 0]), LABELS)
    assert ids.tolist() == [7001, 7001, 5002, 0, 0, 5002]
    write_truth(tmp_path / 'new' / 'a.txt', ids)
    assert (tmp_path / 'new' / 'a.txt').read_text() == '7001\n7001\n5002\n0\n0\n5002\n'
    with pytest.raises(ValueError, match='1000 objects'):
        truth_ids(np.arange(1000), np.zeros(1000, int), LABELS)
    truth_ids(np.arange(999), np.zeros(999, int), LABELS)


@pytest.mark.parametrize(
    'line, words',
    [
        ('predicted_masks/a_0.txt 5', ['a.txt:2', 'path, label id and confidence']),
        ('predicted_masks/a_0.txt 6 0.5', ['a.txt:2', 'label id 6', '3, 5, 7']),
        ('predicted_masks/a_0.txt 5 nan', ['a.txt:2', 'nan', 'finite']),
        ('predicted_masks/a_0.txt five 0.5', ['a.txt:2', "'five'"]),
        ('predicted_masks/none.txt 5 0.5', ['a.txt:2', 'none.txt']),
        ('../predicted_masks/a_0.txt 5 0.5', ['a.txt:2', 'stays inside']),
        ('/predicted_masks/a_0.txt 5 0.5', ['a.txt:2', 'relative']),
        ('predicted_masks/../../x.txt 5 0.5', ['a.txt:2', 'stays inside']),
        ('predicted_masks/short.txt 5 0.5', ['short.txt', '49 points', '50']),
        ('predicted_masks/words.txt 5 0.5', ['words.txt:2', "'x'", 'integer']),
    ],
)
def test_faults_of_the_text_format_are_named(tmp_path, line, words):
    root = write_folder(tmp_path, {'a': predictions(0, 1)})
    (root / 'predicted_masks/short.txt').write_text('1\n' * 49)
    (root / 'predicted_masks/words.txt').write_text('1\nx\n' + '1\n' * 48)
    with (root / 'a.txt').open('a') as file:
        file.write(line + '\n')
    with pytest.raises(ExchangeError) as error:
        read_predictions(open_source(root), 'a', LABELS, 50)
    assert not [word for word in words if word not in str(error.value)], error.value
    assert check_predictions(open_source(root), {'a': 50}, LABELS) == [str(error.value)]


@pytest.mark.parametrize(
    'line, words',
    [
        ('predicted_masks/a_1.txt  5 0.5', ['a.txt:2', 'single blank']),
        ('predicted_masks/a_1.txt\t5\t0.5', ['a.txt:2', 'single blank']),
        ('predicted_masks/a_1.txt 5 0.5 ', ['a.txt:2', 'single blank']),
        (' predicted_masks/a_1.txt 5 0.5', ['a.txt:2', 'single blank']),
        ('\npredicted_masks/a_1.txt 5 0.5', ["a.txt:2: ''", 'single blank']),
        ('predicted_masks/a_0.txt 5 0.5', ['a.txt:2', 'a_0.txt', 'of line 1 again']),
        ('predicted_masks/./a_0.txt 7 0.5', ['a.txt:2', 'of line 1 again']),
    ],
)
def test_what_the_benchmark_reads_otherwise_is_only_refused_there(tmp_path, line, words):
    root = write_folder(tmp_path, {'a': predictions(0, 1)})
    (root / 'predicted_masks/a_0.txt').rename(root / 'predicted_masks/a_1.txt')
    (root / 'predicted_masks/a_0.txt').write_text('1\n' * 50)
    with (root / 'a.txt').open('a') as file:
        file.write(line + '\n')
    assert len(read_predictions(open_source(root), 'a', LABELS, 50).masks) == 2
    (fault,) = check_predictions(open_source(root), {'a': 50}, LABELS)
    assert not [word for word in words if word not in fault], fault


@pytest.mark.parametrize(
    'change, words',
    [
        (dict(scores=np.array([0.5, np.inf])), ['a.npz', 'inf']),
        (dict(label_ids=np.array([5, 4])), ['a.npz', 'label id 4']),
        (dict(scores=np.zeros(3)), ['a.npz', '(3,)']),
        (dict(masks=np.zeros((2, 49))), ['a.npz', '49', '50']),
        (dict(masks=None), ['a.npz', 'masks']),
        (dict(masks=np.full((2, 50), 0.3)), ['a.npz', '0.3 in masks', '0 and 1']),
        (dict(masks=np.full((2, 50), np.nan)), ['a.npz', 'nan in masks']),
        (dict(masks=np.full((2, 50), 'in')), ['a.npz', 'masks of <U2', 'bool']),
        (
            dict(packed_masks=np.zeros((2, 6), np.uint8), num_points=50),
            ['a.npz', '(2, 6)', '(Q, 7)'],
        ),
        (
            dict(packed_masks=np.zeros((2, 8), np.uint8), num_points=50),
            ['a.npz', '(2, 8)', '(Q, 7)'],
        ),
        (dict(packed_masks=np.zeros((2, 7), bool), num_points=50), ['a.npz', 'bool', 'uint8']),
        (dict(packed_masks=np.zeros(7, np.uint8), num_points=50), ['a.npz', '(7,)', '(Q, 7)']),
    ],
)
def test_faults_of_npz_files_are_named(tmp_path, change, words):
    arrays = dict(masks=np.zeros((2, 50), bool), label_ids=np.array([5, 7]), scores=np.ones(2))
    arrays = {k: v for k, v in {**arrays, **change}.items() if v is not None}
    np.savez(tmp_path / 'a.npz', **arrays)
    with pytest.raises(ExchangeError) as error:
        read_predictions(open_source(tmp_path), 'a', LABELS, 50)
    assert not [word for word in words if word not in str(error.value)], error.value


@pytest.mark.parametrize('kind', [np.float32, np.uint8, np.int64])
def test_masks_of_npz_files_may_be_numbers(tmp_path, kind):
    masks = predictions(0, 2).masks
    np.savez(tmp_path / 'a.npz', masks=masks.astype(kind), label_ids=[5, 7], scores=np.ones(2))
    found = read_predictions(open_source(tmp_path), 'a', LABELS, 50)
    np.testing.assert_array_equal(found.masks, masks)


def test_faults_of_a_whole_submission_are_all_named(tmp_path):
    scenes = {'a': predictions(0), 'b': predictions(1), 'd': predictions(2, num_points=40)}
    path = write_zip(tmp_path / 'f.zip', scenes)
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('../outside.txt', '1\n')
    faults = check_predictions(
        open_source(path), {'a': 50, 'c': 50, 'd': 50}, LABELS, most_bytes=100
    )
    for words in (
        '1 scenes are missing: c',
        '1 scenes do not belong here: b',
        '../outside.txt',
        '40 points',
        'bytes; expected at most 100',
    ):
        assert any(words in fault for fault in faults), (words, faults)


@pytest.mark.parametrize('name', ['a.txt', 'predicted_masks/a_0.txt', 'a.npz'])
@pytest.mark.parametrize('fault', ['zlib', 'checksum', 'encrypted', 'unknown packing'])
def test_damaged_archives_are_named(tmp_path, name, fault):
    write_zip(tmp_path / 'f.zip', {'a': predictions(num_points=500)})
    if name == 'a.npz':
        with zipfile.ZipFile(tmp_path / 'f.zip', 'w', zipfile.ZIP_DEFLATED) as archive:
            archive.writestr('a.npz', bytes(500))
    with zipfile.ZipFile(tmp_path / 'f.zip') as archive:
        local = archive.getinfo(name).header_offset
    content = bytearray((tmp_path / 'f.zip').read_bytes())
    central = content.rindex(b'PK\1\2', 0, content.rindex(name.encode()))
    if fault == 'zlib':
        start = local + 30 + len(name)
        content[start : start + 4] = b'\xff' * 4
    elif fault == 'checksum':
        content[central + 16] ^= 1
    elif fault == 'encrypted':
        content[local + 6] |= 1
        content[central + 8] |= 1
    else:
        content[local + 8] = content[central + 10] = 99
    (tmp_path / 'f.zip').write_bytes(content)
    source = open_source(tmp_path / 'f.zip')
    with pytest.raises(ExchangeError, match=f'f.zip/{name}: '):
        read_predictions(source, 'a', LABELS)
    if name == 'a.txt':
        with pytest.raises(ExchangeError, match='f.zip/a.txt: '):
            read_truth(source, 'a', LABELS)
    faults = check_predictions(source, {'a': 500}, LABELS)
    assert len(faults) == 1 and f'f.zip/{name}: ' in faults[0]


def test_list_that_goes_away_is_named(tmp_path):
    source = open_source(write_folder(tmp_path, {'a': predictions()}))
    (tmp_path / 'a.txt').unlink()
    with pytest.raises(ExchangeError, match='a.txt: cannot be read'):
        read_predictions(source, 'a', LABELS)


@pytest.mark.parametrize('text, line', [('1\n9223372036854775808\n', 2), ('9' * 30 + '\n', 1)])
def test_numbers_that_are_too_large_are_named(tmp_path, text, line):
    (tmp_path / 'a.txt').write_text(text)
    with pytest.raises(ExchangeError, match=rf'a.txt:{line}: .*an integer of 64 bits'):
        read_truth(open_source(tmp_path), 'a', LABELS)


def test_unusable_sources_are_named(tmp_path):
    (tmp_path / 'no.zip').write_text('hello')
    with pytest.raises(ExchangeError, match='no.zip: no zip archive'):
        open_source(tmp_path / 'no.zip')
    with pytest.raises(FileNotFoundError, match='nowhere'):
        open_source(tmp_path / 'nowhere')
    write_folder(tmp_path / 'f', {'a': predictions()})
    write_npz(tmp_path / 'f', {'a': predictions()}, True)
    with pytest.raises(ExchangeError, match='a twice'):
        scene_names(open_source(tmp_path / 'f'))
    with pytest.raises(ExchangeError, match='b.txt'):
        read_predictions(open_source(tmp_path / 'f'), 'b', LABELS)
    (tmp_path / 'f' / 'gt.txt').write_text('0\n-4\n')
    with pytest.raises(ExchangeError, match='gt.txt:2: -4'):
        read_truth(open_source(tmp_path / 'f'), 'gt', LABELS)
    with pytest.raises(ExchangeError, match='nothing.txt'):
        read_truth(open_source(tmp_path / 'f'), 'nothing', LABELS)


def test_label_sets_from_a_file(tmp_path):
    path = tmp_path / 'labels.txt'
    path.write_text('5 chair\n\n12 floor lamp\n')
    assert LabelSet.read(path) == (('chair', 'floor lamp'), (5, 12))
    assert LABELS.labels(np.array([3, 7, 0, 5, 99])).tolist() == [2, 1, 3, 0, 3]
    for text in ('chair 5', '0 chair', '5', '5 a\n5 b', ''):
        path.write_text(text)
        with pytest.raises(ExchangeError, match='labels.txt'):
            LabelSet.read(path)


def rewrite(root, name, change):
    path = root / name
    path.write_bytes(change(path.read_bytes()))


def move_into_a_folder(root):
    (root / 'top').mkdir()
    for path in [*root.iterdir()]:
        if path.name != 'top':
            path.rename(root / 'top' / path.name)


@pytest.mark.parametrize(
    'change',
    [
        lambda root: rewrite(root, 'a.txt', lambda text: text.replace(b'\n', b'\r\n')),
        lambda root: rewrite(root, 'a.txt', lambda text: b'./' + text.replace(b'\n', b'\n./')[:-2]),
        lambda root: rewrite(
            root, 'predicted_masks/a_0.txt', lambda text: text.replace(b'\n', b'\r\n')
        ),
        lambda root: (
            (root / '__MACOSX').mkdir() or (root / '__MACOSX' / '._a.txt').write_bytes(b'\0')
        ),
    ],
    ids=['CRLF', './', 'CRLF in masks', 'companions of a Mac'],
)
@pytest.mark.parametrize('form', ['folder', 'zip'])
def test_what_other_programs_write_is_read(tmp_path, form, change):
    found = predictions()
    root = write_folder(tmp_path / 'a', {'a': found})
    change(root)
    if form == 'zip':
        shutil.make_archive(str(tmp_path / 'f'), 'zip', root)
    source = open_source(tmp_path / 'f.zip' if form == 'zip' else root)
    again = read_predictions(source, 'a', LABELS, 50)
    np.testing.assert_array_equal(again.masks, found.masks)
    np.testing.assert_array_equal(again.labels, found.labels)


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda root: rewrite(root, 'a.txt', lambda text: b'\xef\xbb\xbf' + text), ['a.txt:1']),
        (lambda root: rewrite(root, 'a.txt', lambda text: text.replace(b'/', b'\\')), ['a.txt:1']),
        (
            lambda root: rewrite(
                root,
                'predicted_masks/a_0.txt',
                lambda text: b''.join(b'%.18e\n' % float(line) for line in text.split()),
            ),
            ['a_0.txt:1', 'integer'],
        ),
        (
            lambda root: rewrite(root, 'predicted_masks/a_0.txt', lambda text: text[:60]),
            ['a_0.txt', '30 points', '50'],
        ),
        (move_into_a_folder, ['a']),
    ],
    ids=[
        'byte order mark',
        'backslashes',
        'floats of numpy.savetxt',
        'a thinned cloud',
        'a folder',
    ],
)
def test_what_is_meant_otherwise_is_a_clear_line(tmp_path, change, words):
    root = write_folder(tmp_path / 'a', {'a': predictions()})
    change(root)
    with pytest.raises(ExchangeError) as error:
        read_predictions(open_source(root), 'a', LABELS, 50)
    assert not [word for word in words if word not in str(error.value)], error.value
    assert '\n' not in str(error.value)


def test_truth_of_windows(tmp_path):
    (tmp_path / 'a.txt').write_bytes(b'3001\r\n0\r\n7002\r\n')
    truth = read_truth(open_source(tmp_path), 'a', LABELS)
    (tmp_path / 'a.txt').write_bytes(b'3001\n0\n7002\n')
    same = read_truth(open_source(tmp_path), 'a', LABELS)
    np.testing.assert_array_equal(truth.instance, same.instance)
    np.testing.assert_array_equal(truth.semantic, same.semantic)
