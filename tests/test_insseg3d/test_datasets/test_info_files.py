# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Info files: data of any writer is read, and code is rejected."""

import collections
import json
import pickle
import subprocess

import numpy as np
import pytest

from insseg3d.datasets import CustomInsSegDataset
from insseg3d.datasets.info_files import read_info


def info(**scene):
    return dict(
        metainfo=dict(dataset='own'),
        data_list=[dict(lidar_points=dict(lidar_path='a.bin', num_pts_feats=6), **scene)],
    )


def build(root, name):
    return CustomInsSegDataset(
        classes=['chair'], data_root=str(root), ann_file=name, pipeline=[lambda info: info]
    )


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_and_containers_of_every_protocol(protocol, tmp_path):
    given = info(
        axis_align_matrix=np.eye(4),
        boxes=np.arange(6, dtype=np.float32)[::2],
        name=np.str_('x'),
        count=np.int64(3),
        flag=np.bool_(True),
        raw=b'\x00\xff',
        ids={1, 2},
        span=slice(1, 2),
        order=collections.OrderedDict(a=1),
        big_endian=np.arange(3, dtype='>i4'),
    )
    found = read_info(pickle.dumps(given, protocol=protocol), 'some.pkl')
    scene = found['data_list'][0]
    np.testing.assert_array_equal(scene['axis_align_matrix'], np.eye(4))
    np.testing.assert_array_equal(scene['boxes'], [0, 2, 4])
    np.testing.assert_array_equal(scene['big_endian'], range(3))
    assert scene['count'] == 3 and scene['raw'] == b'\x00\xff' and scene['ids'] == {1, 2}
    assert scene['order'] == {'a': 1} and scene['span'] == slice(1, 2) and scene['name'] == 'x'


class Calls:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def bombs(marker):
    command = f'touch {marker}'
    return {
        'posix.system': Calls(__import__('os').system, command),
        'subprocess.Popen': Calls(subprocess.Popen, ['touch', str(marker)]),
        'builtins.exec': Calls(exec, f'open({str(marker)!r}, "w")'),
        'builtins.getattr': Calls(getattr, str(marker), 'upper'),
        'numpy.load': Calls(np.load, str(marker)),
        'numpy.save': Calls(np.save, str(marker), 1),
    }


@pytest.mark.parametrize('name', bombs(''))
@pytest.mark.parametrize('protocol', [0, 2, 4])
def test_nothing_in_an_info_file_is_run(name, protocol, tmp_path):
    marker = tmp_path / 'was_run.npy'
    path = tmp_path / 'infos.pkl'
    path.write_bytes(pickle.dumps(info(extra=bombs(marker)[name]), protocol=protocol))
    with pytest.raises(ValueError, match=r'infos\.pkl: holds \S+, which may run code') as error:
        build(tmp_path, 'infos.pkl')
    assert '\n' not in str(error.value)
    assert not marker.exists()


def test_yaml_is_not_read_as_it_may_build_any_object(tmp_path):
    marker = tmp_path / 'was_run'
    (tmp_path / 'infos.yml').write_text(
        f'metainfo: {{}}\ndata_list: !!python/object/apply:os.system ["touch {marker}"]\n'
    )
    with pytest.raises(ValueError, match=r'infos\.yml: no info file by its ending; expected \.pkl'):
        build(tmp_path, 'infos.yml')
    assert not marker.exists()


def test_json_and_pickles_are_read(tmp_path):
    (tmp_path / 'infos.json').write_text(json.dumps(info(instances=[])))
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps(info(instances=[])))
    for name in ('infos.json', 'infos.pkl'):
        (scene,) = [build(tmp_path, name).get_data_info(0)]
        assert scene['lidar_path'].endswith('points/a.bin')


@pytest.mark.parametrize(
    'content, found',
    [
        ([], 'a list'),
        (1, 'no info file'),
        (dict(data_list=[]), 'no info file'),
        (dict(metainfo={}, data_list={}), 'no info file'),
        (dict(metainfo={}, data_list=[{}]), 'scene 0 has no lidar_points'),
        (dict(metainfo={}, data_list=[dict(lidar_points=dict(lidar_path=3))]), 'scene 0 has no'),
    ],
)
def test_other_layouts_are_one_clear_line(content, found):
    with pytest.raises(ValueError, match=f'some.pkl: {found}.*expected'):
        read_info(pickle.dumps(content), 'some.pkl')
