# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Check whether this environment can run the project, and print a remedy where it cannot.

    python tools/doctor.py

Prints versions, devices, the sparse backend that will be used, and the known traps that apply, each
with its remedy. Exit status 1 where the project cannot run. Needs nothing but Python itself.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

LOCK = 'requirements/cpu.txt, gpu.txt or cu118.txt'
SPCONV_WHEELS = {f'spconv-cu{version}' for version in (118, 120, 121, 124, 126)}
# Distribution -> (lowest, first refused, why). For mm* these are the bounds mmdet3d 1.4.0 asserts.
RANGES: Mapping[str, tuple[str, str, str]] = {
    'mmengine': ('0.8.0', '1.0.0', 'mmdet3d 1.4.0 asserts it on import'),
    'mmdet': ('3.0.0', '3.4.0', 'mmdet3d 1.4.0 asserts it on import'),
    'mmdet3d': ('1.4.0', '1.5.0', 'the framework that this project extends'),
    'torch': ('1.13', '', 'everything computes with it'),
    'numpy': ('1.23', '', 'arrays'),
    'scipy': ('1.9', '', 'assignment and neighbour search'),
    'numba': ('0.56', '', 'fast row-adds on the CPU; mmdet3d imports it'),
    'pillow': ('10.1', '', 'pictures of scenes'),
    'plyfile': ('0.7', '', 'reads and writes scans; mmdet3d imports it'),
    'trimesh': ('3.20', '', 'mmdet3d imports it'),
    'nuscenes-devkit': ('1.1', '', 'mmdet3d imports it'),
    'lyft-dataset-sdk': ('0.0.8', '', 'mmdet3d imports it'),
}

# Optional parts: use -> its distributions and the extra of setup.cfg.
EXTRAS: Mapping[str, tuple[tuple[str, ...], str]] = {
    '.las and .laz': (('laspy', 'lazrs'), 'las'),
    '.pcd': (('pypcd4',), 'pcd'),
    '.glb': (('trimesh',), 'mesh'),
    '.safetensors': (('safetensors',), 'safetensors'),
    'results as tables of pandas': (('pandas',), 'pandas'),
}


@dataclass(frozen=True)
class Finding:
    """``level`` is 'ok', 'note' (it runs, but know this) or 'stop' (it cannot run)."""

    level: str
    what: str
    remedy: str = ''


@dataclass
class Facts:
    """The facts about an environment. ``versions`` has only packages that are installed."""

    python: tuple[int, int]
    versions: dict[str, str]
    modules: set[str] = field(default_factory=set)
    torch_cuda: str | None = None
    gpus: list[str] = field(default_factory=list)
    threads: int = 1
    mmcv_compiled: bool = False
    backend: tuple[str, str] = ('torch', '')  # that of the first GPU, and the reason
    import_errors: dict[str, str] = field(default_factory=dict)
    data_root: str = ''


def diagnose(facts: Facts) -> list[Finding]:
    """Return every finding about an environment, in the order in which to mend them."""
    parts = (_python, _packages, _mmcv, _traps, _devices, _extras, _imports)
    return [finding for part in parts for finding in part(facts)]


def _python(facts: Facts) -> Iterator[Finding]:
    found = '.'.join(map(str, facts.python))
    if facts.python < (3, 10):
        yield Finding(
            'stop', f'Python {found}; 3.10 to 3.12 are supported', 'make setup PYTHON=python3.11'
        )
    elif facts.python > (3, 12):
        remedy = 'make setup PYTHON=python3.11, if a package is missing'
        yield Finding('note', f'Python {found}; the lock files hold up to 3.12', remedy)
    else:
        yield Finding('ok', f'Python {found}')


def _packages(facts: Facts) -> Iterator[Finding]:
    for name, (lowest, refused, why) in RANGES.items():
        wanted = f'>= {lowest}' + (f', < {refused}' if refused else '')
        found = facts.versions.get(name)
        remedy = (
            f'pip install --no-deps "{name}{wanted.replace(" ", "")}", or the exact version '
            f'of {LOCK}'
        )
        if found is None:
            yield Finding('stop', f'{name} is missing ({why})', remedy)
        elif _number(found) < _number(lowest) or (refused and _number(found) >= _number(refused)):
            yield Finding('stop', f'{name} {found}, but {wanted} is wanted ({why})', remedy)
        else:
            yield Finding('ok', f'{name} {found}')


def _mmcv(facts: Facts) -> Iterator[Finding]:
    names = [name for name in ('mmcv', 'mmcv-lite') if name in facts.versions]
    if not names:
        remedy = 'pip install --no-deps mmcv-lite==2.1.0 (nothing here needs more)'
        yield Finding('stop', 'neither mmcv nor mmcv-lite is installed', remedy)
        return
    if len(names) == 2:
        yield Finding(
            'stop',
            'mmcv and mmcv-lite are both installed and overwrite each other',
            'pip uninstall mmcv mmcv-lite, then install one of them',
        )
    found = facts.versions[names[0]]
    if not _number('2.0.0') <= _number(found) < _number('2.2.0'):
        yield Finding(
            'stop',
            f'{names[0]} {found}, but >= 2.0.0, < 2.2.0 is wanted (mmdet3d 1.4.0 '
            'asserts it on import; ready-made wheels for torch >= 2.2 are 2.2.0)',
            'pip install --no-deps mmcv-lite==2.1.0',
        )
    elif facts.mmcv_compiled:
        yield Finding('ok', f'{names[0]} {found}, with its compiled operators')
    else:
        yield Finding(
            'ok',
            f'{names[0]} {found}, without compiled operators: a stand-in lets '
            'mmdet3d import, and its tools run as tools/train.py and tools/test.py',
        )


def _traps(facts: Facts) -> Iterator[Finding]:
    versions = facts.versions
    if {'opencv-python', 'opencv-python-headless'} <= versions.keys():
        yield Finding(
            'note',
            'opencv-python and opencv-python-headless overwrite each other',
            'pip uninstall opencv-python opencv-python-headless, then install one',
        )
    if 'cv2' not in facts.modules:
        yield Finding(
            'stop',
            'OpenCV (cv2) is missing; mmengine imports it',
            'pip install --no-deps opencv-python-headless==4.11.0.86',
        )
    if 'pkg_resources' not in facts.modules:
        yield Finding(
            'note',
            'setuptools has no pkg_resources: mmengine manages without it while '
            'this project is imported, but mim and the build of mmcv fail',
            'pip install "setuptools<81"',
        )
    if _number(versions.get('torch', '0')) >= _number('2.6'):
        yield Finding(
            'ok',
            'torch >= 2.6 reads checkpoints with weights_only: resuming works for '
            'files written while this project is imported',
        )
    if _number(versions.get('numpy', '0')) >= _number('2.0'):
        yield Finding(
            'note',
            'numpy 2: mmdet3d 1.4.0 was written for numpy 1; its samplers for '
            'detection use names that are gone',
            'pip install "numpy<2"',
        )


def _devices(facts: Facts) -> Iterator[Finding]:
    spconv = [name for name in facts.versions if re.fullmatch(r'spconv(-cu\d+)?', name)]
    label = ', '.join(f'{name} {facts.versions[name]}' for name in spconv) or 'no spconv'
    if facts.gpus:
        built = f'CUDA {facts.torch_cuda}' if facts.torch_cuda else 'ROCm'
        yield Finding('ok', f'GPU: {", ".join(facts.gpus)} (torch built for {built})')
    elif facts.torch_cuda:
        yield Finding(
            'note',
            f'torch is built for CUDA {facts.torch_cuda}, but finds no GPU: it runs on the CPU',
            'look at nvidia-smi; without a GPU, make setup '
            'TORCH_INDEX=https://download.pytorch.org/whl/cpu saves gigabytes',
        )
    else:
        yield Finding('ok', f'no GPU: runs on the CPU with {facts.threads} threads')
    if not facts.gpus:
        yield Finding(
            'ok',
            f'sparse backend: torch ({label}; its CPU results are wrong with '
            'several threads, so it is never chosen on a CPU)',
        )
        return
    wheels = [name for name in spconv if name != 'spconv']
    wanted = f'spconv-cu{(facts.torch_cuda or "").replace(".", "")}'
    remedy = 'pip install spconv-triton' + (f', or {wanted}' if wanted in SPCONV_WHEELS else '')
    chosen, reason = facts.backend
    if chosen == 'torch':
        yield Finding('note', f'sparse backend: torch ({reason})', remedy)
        return
    yield Finding('ok', f'sparse backend: {chosen} on the GPU ({reason}), torch on the CPU')
    if chosen == 'spconv' and wheels and wanted not in wheels:
        what = f'{wheels[0]} beside a torch for CUDA {facts.torch_cuda}'
        yield Finding('note', what, remedy)


def _extras(facts: Facts) -> Iterator[Finding]:
    there = []
    for use, (names, extra) in EXTRAS.items():
        missing = [name for name in names if name not in facts.versions]
        if missing:
            yield Finding(
                'ok',
                f'without {" and ".join(missing)}, which only {use} need',
                f'if you want that: pip install {" ".join(missing)} (the extra {extra})',
            )
        else:
            there.append(use)
    if there:
        yield Finding('ok', f'also available: {", ".join(there)}')


def _imports(facts: Facts) -> Iterator[Finding]:
    for name, error in facts.import_errors.items():
        remedy = (
            'pip install --no-deps --no-build-isolation -e .'
            if name == 'insseg3d'
            else f'compare with {LOCK}'
        )
        yield Finding('stop', f'import {name} fails: {error}', remedy)
    there = os.path.isdir(facts.data_root)
    yield Finding(
        'ok' if there else 'note',
        f'data root: {facts.data_root}' + ('' if there else ' (not there yet)'),
        '' if there else 'set INSSEG3D_DATA, or make or convert scans (README.md)',
    )


def _number(version: str) -> tuple[int, ...]:
    """Convert '2.0.0rc4' to (2, 0, 0): the suffix does not matter here."""
    numbers = [int(n) for n in re.match(r'\d+(\.\d+)*', version).group().split('.')]
    return tuple(numbers + [0] * (3 - len(numbers)))


def collect() -> Facts:
    """Inspect the running interpreter; import torch, this project and mmdet3d if possible."""
    versions = {
        (d.metadata['Name'] or '').lower().replace('_', '-'): d.version
        for d in importlib.metadata.distributions()
    }
    facts = Facts(python=sys.version_info[:2], versions=versions)
    facts.modules = {name for name in ('cv2', 'pkg_resources') if importlib.util.find_spec(name)}
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    facts.data_root = os.environ.get('INSSEG3D_DATA', os.path.join(root, 'data'))
    # insseg3d first: its cures make mmdet3d importable.
    for name in ('torch', 'insseg3d', 'mmdet3d'):
        try:
            importlib.import_module(name)
        except Exception as error:  # any failure is what we are here to report
            facts.import_errors[name] = f'{type(error).__name__}: {error}'
    if 'torch' not in facts.import_errors:
        import torch

        facts.torch_cuda, facts.threads = torch.version.cuda, torch.get_num_threads()
        if torch.cuda.is_available():
            facts.gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if 'insseg3d' not in facts.import_errors:
        from insseg3d.layers.backends import best_backend

        if facts.gpus:
            facts.backend = tuple(best_backend(torch.device('cuda', 0)))
        facts.mmcv_compiled = not type(sys.modules.get('mmcv._ext')).__name__ == 'MissingOperators'
    return facts


def main() -> int:
    """Print the findings; return 1 if one of them stops the project."""
    print(f'{platform.platform()}, Python {sys.version.split()[0]} at {sys.executable}')
    findings = diagnose(collect())
    for finding in findings:
        print(f'[{finding.level:>4}] {finding.what}')
        if finding.remedy:
            print(f'       -> {finding.remedy}')
    stops = sum(finding.level == 'stop' for finding in findings)
    print(f'{stops} of these stop the project.' if stops else 'This environment runs the project.')
    return int(stops > 0)


if __name__ == '__main__':
    sys.exit(main())
