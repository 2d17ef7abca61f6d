# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Mutated raw files, labelled scans and info files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insseg3d.datasets import CustomInsSegDataset
from insseg_preparation.custom.classes import ClassList, read_classes
from insseg_preparation.custom.release import prepare_custom
from insseg_preparation.custom.scan import CustomOptions, convert_scan
from insseg_preparation.s3dis.room import convert_room
from insseg_preparation.scannet.labels import LABEL_SETS, read_stored_ids
from insseg_preparation.scannet.raw import find_scene, read_split
from insseg_preparation.scannet.scene import convert_scene
from insseg_scans.errors import RawDataError
from insseg_scans.points.tables import ENDINGS

from ..test_insseg3d.mutations import FEW, MANY, changes, mutated, mutated_member, right_or_refused
from . import raw_s3dis, raw_scannet
from .custom_scans import POINTS, WRITERS

CLASSES = ClassList(('chair', 'table'))
SEED = st.integers(0, 2**32 - 1)


def check_labels(found, size, *, most):
    """Check points, labels and boxes of a converted scene; ``most`` bounds the number of points."""
    assert found.points.dtype == np.float32 and found.points.shape == (len(found.points), 6)
    assert 1 <= size <= most and np.isfinite(found.points).all()
    assert found.points[:, 3:].min() >= 0 and found.points[:, 3:].max() <= 255
    for values in (found.semantic, found.instance):
        if values is not None:
            assert values.dtype == np.int64 and values.shape == (size,) and values.min() >= 0


def check_boxes(boxes):
    for box in boxes:
        assert np.isfinite(box['bbox_3d']).all() and min(box['bbox_3d'][3:]) >= 0


def change_scan(form, drawn, ending, tmp_path):
    path = WRITERS[form](tmp_path / 'scan', POINTS)
    content = path.read_bytes()
    if path.suffix == '.npz' and drawn[0][1] % 4:
        content = mutated_member(content, drawn, drawn[0][1])
    else:
        content = mutated(content, drawn)
    path = path.with_suffix(ending) if ending else path
    path.write_bytes(content)
    found = right_or_refused(
        lambda: convert_scan(path, CLASSES, CustomOptions(), needs_labels=True),
        RawDataError,
        name=str(path),
    )
    if found is not None:
        fold = 1100 if path.suffix == '.npz' else 1
        check_labels(found, len(found.points), most=fold * len(content))
        assert found.semantic.max() <= 2
        check_boxes(found.boxes)


ENDING = st.none() | st.none() | st.none() | st.sampled_from(ENDINGS)


@pytest.mark.parametrize('form', WRITERS)
@FEW
@given(changes(), ENDING)
def test_right_labels_or_a_clear_line(form, tmp_path, drawn, ending):
    change_scan(form, drawn, ending, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('form', WRITERS)
@MANY
@given(changes(), ENDING)
def test_thousands_of_mutated_labelled_scans(form, tmp_path, drawn, ending):
    change_scan(form, drawn, ending, tmp_path)


SCANNET = {
    'mesh': '_vh_clean_2.ply',
    'labels mesh': '_vh_clean_2.labels.ply',
    'segments': '_vh_clean_2.0.010000.segs.json',
    'aggregation': '.aggregation.json',
    'metadata': '.txt',
    'label map': None,
}


def change_scannet(kind, drawn, tmp_path):
    raw_scannet.write_release(tmp_path)
    files = find_scene(tmp_path, 'scene0000_00', with_labels=True)
    label_map = tmp_path / raw_scannet.LABEL_MAP_NAME
    path = label_map
    if SCANNET[kind]:
        path = files.mesh.with_name(f'scene0000_00{SCANNET[kind]}')
    content = mutated(path.read_bytes(), drawn)
    path.write_bytes(content)
    label_set = LABEL_SETS['scannet']

    def convert():
        ids = read_stored_ids(label_map, label_set)
        return convert_scene(files, ids, label_set.class_of_id, superpoints=True)

    # If two files contradict each other, the error may name either.
    found = right_or_refused(convert, RawDataError, name=f'{tmp_path}/')
    if found is not None:
        check_labels(found, len(found.points), most=len(files.mesh.read_bytes()))
        assert found.superpoints.shape == found.semantic.shape
        check_boxes(found.info['instances'])
        assert np.isfinite(found.info['axis_align_matrix']).all()


@pytest.mark.parametrize('kind', SCANNET)
@FEW
@given(changes())
def test_right_scenes_of_scannet_or_a_clear_line(kind, tmp_path, drawn):
    change_scannet(kind, drawn, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize('kind', SCANNET)
@MANY
@given(changes())
def test_thousands_of_mutated_scenes_of_scannet(kind, tmp_path, drawn):
    change_scannet(kind, drawn, tmp_path)


@FEW
@given(changes())
def test_lists_in_text(tmp_path, drawn):
    path = tmp_path / 'list.txt'
    path.write_bytes(mutated(b'scene0000_00\nscene0001_00\n3 office chair\n', drawn))
    right_or_refused(lambda: read_split(path), RawDataError, name=str(path))
    right_or_refused(lambda: read_classes(str(path)), RawDataError, name=str(path))


def change_s3dis(drawn, seed, tmp_path):
    folder = raw_s3dis.write_room(tmp_path)
    files = sorted((folder / 'Annotations').iterdir())
    path = files[seed % len(files)]
    path.write_bytes(mutated(path.read_bytes(), drawn))
    size = sum(file.stat().st_size for file in files)
    found = right_or_refused(lambda: convert_room(folder), RawDataError, name=str(path))
    if found is not None:
        check_labels(found, len(found.points), most=size // 11)
        check_boxes(found.boxes)


@FEW
@given(changes(), SEED)
def test_right_rooms_of_s3dis_or_a_clear_line(tmp_path, drawn, seed):
    change_s3dis(drawn, seed, tmp_path)


@pytest.mark.slow
@MANY
@given(changes(), SEED)
def test_thousands_of_mutated_rooms_of_s3dis(tmp_path, drawn, seed):
    change_s3dis(drawn, seed, tmp_path)


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp('prepared')
    (root / 'raw' / 'train').mkdir(parents=True)
    for scene in 'ab':
        WRITERS['npy'](root / 'raw' / 'train' / scene, POINTS)
    prepare_custom(root / 'raw', root / 'custom', CLASSES)
    return root / 'custom', (root / 'custom' / 'custom_infos_train.pkl').read_bytes()


def change_info_file(prepared, drawn):
    root, content = prepared
    path = root / 'custom_infos_mutated.pkl'
    content = mutated(content, drawn)
    path.write_bytes(content)

    def build():
        dataset = CustomInsSegDataset(
            classes=['chair', 'table'],
            data_root=str(root),
            ann_file=path.name,
            pipeline=[lambda info: info],
        )
        return [dataset.get_data_info(k) for k in range(len(dataset))]

    infos = right_or_refused(build, ValueError, name=str(path))
    assert infos is None or len(infos) <= len(content)
    for info in infos or ():
        assert isinstance(info['lidar_path'], str)


@FEW
@given(changes())
def test_right_infos_or_a_clear_line(prepared, drawn):
    change_info_file(prepared, drawn)


@pytest.mark.slow
@MANY
@given(changes())
def test_thousands_of_mutated_info_files(prepared, drawn):
    change_info_file(prepared, drawn)
