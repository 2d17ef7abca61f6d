# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The doctor finds what is wrong, and says what to do."""

import dataclasses
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

PATH = Path(__file__).parents[2] / 'tools' / 'doctor.py'
SPEC = importlib.util.spec_from_file_location('doctor', PATH)
doctor = importlib.util.module_from_spec(SPEC)
sys.modules['doctor'] = doctor  # dataclasses look there
SPEC.loader.exec_module(doctor)

GOOD = doctor.Facts(
    python=(3, 11),
    versions={
        'mmengine': '0.10.7',
        'mmdet': '3.3.0',
        'mmdet3d': '1.4.0',
        'mmcv-lite': '2.1.0',
        'torch': '2.13.0+cpu',
        'numpy': '1.26.4',
        'scipy': '1.17.1',
        'numba': '0.68.1',
        'pillow': '12.3.0',
        'plyfile': '1.1.3',
        'trimesh': '5.2.0',
        'nuscenes-devkit': '1.1.11',
        'lyft-dataset-sdk': '0.0.8',
        'spconv': '2.3.8',
        'setuptools': '80.10.2',
        'opencv-python-headless': '4.11.0.86',
    },
    modules={'cv2', 'pkg_resources'},
    threads=2,
    data_root=str(PATH.parent),
)
GPU = dataclasses.replace(
    GOOD,
    torch_cuda='11.8',
    gpus=['A card'],
    mmcv_compiled=True,
    backend=('spconv', 'its wheel has code for this GPU'),
    versions={
        **{k: v for k, v in GOOD.versions.items() if k not in ('spconv', 'mmcv-lite')},
        'torch': '2.7.1+cu118',
        'spconv-cu118': '2.3.8',
        'mmcv': '2.1.0',
    },
)


def but(facts=GOOD, drop=(), **changes):
    """The facts with some versions changed or dropped, or with other fields."""
    fields = {field.name for field in dataclasses.fields(facts)}
    versions = {
        **facts.versions,
        **{key.replace('_', '-'): value for key, value in changes.items() if key not in fields},
    }
    return dataclasses.replace(
        facts,
        versions={key: value for key, value in versions.items() if key not in drop},
        **{key: value for key, value in changes.items() if key in fields},
    )


def of_level(facts, *levels):
    return [finding for finding in doctor.diagnose(facts) if finding.level in levels]


@pytest.mark.parametrize('facts', [GOOD, GPU], ids=['cpu', 'gpu'])
def test_nothing_to_complain_about(facts):
    assert of_level(facts, 'stop', 'note') == []


@pytest.mark.parametrize(
    'facts, what, remedy',
    [
        (but(python=(3, 9)), 'Python 3.9', 'PYTHON='),
        (but(mmdet='3.4.0'), 'mmdet 3.4.0, but >= 3.0.0, < 3.4.0', 'mmdet>=3.0.0,<3.4.0'),
        (but(mmengine='1.0.0'), 'mmengine 1.0.0', 'mmengine'),
        (but(mmengine='0.7.4'), 'mmengine 0.7.4', 'mmengine'),
        (but(mmcv_lite='2.2.0'), 'mmcv-lite 2.2.0', 'mmcv-lite==2.1.0'),
        (but(GPU, mmcv='1.7.0'), 'mmcv 1.7.0', 'mmcv-lite==2.1.0'),
        (but(drop=['mmcv-lite']), 'neither mmcv nor mmcv-lite', 'mmcv-lite==2.1.0'),
        (but(mmcv='2.1.0'), 'both installed', 'uninstall'),
        (but(pillow='10.0.1'), 'pillow 10.0.1, but >= 10.1', 'pillow>=10.1'),
        (but(drop=['torch']), 'torch is missing', 'torch>=1.13'),
        (but(drop=['nuscenes-devkit']), 'nuscenes-devkit is missing', '--no-deps'),
        (but(modules={'pkg_resources'}), 'cv2', 'opencv-python-headless'),
        (but(import_errors={'insseg3d': 'ModuleNotFoundError: x'}), 'import insseg3d', '-e .'),
        (but(import_errors={'mmdet3d': 'AssertionError: y'}), 'AssertionError: y', 'requirements'),
    ],
)
def test_stops_with_the_remedy(facts, what, remedy):
    (finding,) = of_level(facts, 'stop')
    assert what in finding.what and remedy in finding.remedy


@pytest.mark.parametrize(
    'facts, what, remedy',
    [
        (but(python=(3, 13)), 'Python 3.13', 'PYTHON='),
        (but(modules={'cv2'}), 'pkg_resources', 'setuptools<81'),
        (but(numpy='2.1.0'), 'numpy 2', 'numpy<2'),
        (but(opencv_python='4.11'), 'overwrite each other', 'uninstall'),
        (but(torch_cuda='12.6'), 'finds no GPU', 'TORCH_INDEX'),
        (but(GPU, backend=('torch', 'why')), 'sparse backend: torch (why)', 'spconv-triton'),
        (but(GPU, torch_cuda='12.4'), 'spconv-cu118 beside a torch for CUDA 12.4', 'spconv-cu124'),
        (but(data_root='/not/there'), 'not there yet', 'INSSEG3D_DATA'),
    ],
)
def test_notes_with_the_remedy(facts, what, remedy):
    assert of_level(facts, 'stop') == []
    (finding,) = of_level(facts, 'note')
    assert what in finding.what and remedy in finding.remedy


def test_says_which_backend_will_be_used():
    texts = {
        name: ' '.join(finding.what for finding in doctor.diagnose(facts))
        for name, facts in dict(cpu=GOOD, gpu=GPU).items()
    }
    assert 'sparse backend: torch (spconv 2.3.8' in texts['cpu']
    assert 'sparse backend: spconv on the GPU (its wheel has code for this GPU)' in texts['gpu']
    triton = but(GPU, backend=('triton', 'why'), drop=['spconv-cu118'])
    assert of_level(triton, 'stop', 'note') == []
    assert 'sparse backend: triton on the GPU (why)' in str(doctor.diagnose(triton))


def test_says_which_files_it_can_read():
    findings = {
        finding.what: finding.remedy
        for finding in of_level(but(pypcd4='1.5.1', laspy='2.7.0', safetensors='0.8.0'), 'ok')
    }
    assert 'also available: .pcd, .glb, .safetensors' in findings
    assert 'pip install lazrs' in findings['without lazrs, which only .las and .laz need']
    assert any('pandas' in what for what in findings)


@pytest.mark.parametrize('low, high', [('0.9', '0.10.7'), ('2.0.0rc4', '2.1'), ('1.9', '1.26.4')])
def test_versions_compare_as_numbers(low, high):
    assert doctor._number(low) < doctor._number(high)


def test_runs_here_and_the_exit_status_tells():
    result = subprocess.run([sys.executable, str(PATH)], text=True, capture_output=True)
    assert result.returncode == 0, result.stdout
    assert 'mmdet3d 1.4' in result.stdout and 'This environment runs the project' in result.stdout


def test_runs_without_any_package_and_stops():
    """-I -S: no site-packages, so that nothing is installed."""
    result = subprocess.run([sys.executable, '-I', '-S', str(PATH)], text=True, capture_output=True)
    assert result.returncode == 1, result.stdout + result.stderr
    assert 'torch is missing' in result.stdout and 'stop the project' in result.stdout
