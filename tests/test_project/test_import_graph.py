# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Arrows point down: who may import whom, and who may start the commands of tools/."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[2] / 'projects'
# Floors, from the ground up. A part may import what lies below its floor. On its own floor it may
# import only itself where the floor is one of STRANGERS, and its neighbours elsewhere.
FLOORS = {
    'insseg3d.structures': 0,
    'insseg3d.ops': 0,
    'insseg3d.layers': 1,
    'insseg_scans': 1,
    'insseg3d': 2,  # the registered parts: backbones, datasets, transforms, evaluation and the rest
    'insseg3d.segmentors': 3,
    'insseg_preparation': 3,
    'insseg3d.apis': 5,
    'insseg_analysis': 6,
    'insseg_lab': 7,
    'tools': 8,
}
PARTS, METHOD_FLOOR = 2, 4
STRANGERS = {1, PARTS, 3, METHOD_FLOOR}
ALONE = 'made_rooms'  # imports nothing of this project, and only tools and the lab import it
GROUND = {ALONE, 'insseg_scans'}  # import nothing of this project
# Each other package of projects/ is a method or a family of methods.
METHODS = {path.parent.name for path in PROJECTS.glob('*/__init__.py')} - {
    'insseg3d',
    'insseg_scans',
    'insseg_preparation',
    'insseg_analysis',
    'insseg_lab',
    ALONE,
}
MAKES_ROOMS = {'insseg_lab', 'tools'}
OPS_MAY_IMPORT = {'torch', 'numpy', 'scipy', 'numba', 'llvmlite'}  # numba stands on llvmlite


def imports(name: str, source: str, is_package: bool = False) -> set[str]:
    """Absolute names of the modules that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = name.split('.') if is_package else name.split('.')[:-1]
            base = base[: len(base) - node.level + 1] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            # `from package import name` may mean a module: keep the longer name.
            found |= {f'{module}.{alias.name}' for alias in node.names}
    return found


def place(module: str) -> tuple[int, str] | None:
    """(floor, part) of a module of this project; None for one of somebody else's."""
    root, *rest = module.split('.')
    if root in METHODS:
        return METHOD_FLOOR, root
    if root == ALONE:
        return -1, root
    part = f'{root}.{rest[0]}' if rest else root
    if root == 'insseg3d':
        return FLOORS.get(part, PARTS), part
    return (FLOORS[root], root) if root in FLOORS else None


def violations(sources: dict[str, str], packages: set[str] = frozenset()) -> list[str]:
    """Every import that the house forbids, one sentence each."""
    found = []
    for name, source in sorted(sources.items()):
        if name != 'insseg3d':  # the front door imports every part to register it
            for target in sorted(imports(name, source, name in packages)):
                reason = reason_against(name, target)
                if reason:
                    found.append(f'{name} imports {target}: {reason}')
    return found


def reason_against(name: str, target: str) -> str | None:
    """The rule that an import breaks, if there is one."""
    (floor, part), there, root = place(name), place(target), target.split('.')[0]
    if there is None:
        if part == 'insseg3d.ops' and root not in OPS_MAY_IMPORT | sys.stdlib_module_names:
            return 'ops import torch, numpy, scipy and numba only'
        if root in ('spconv', 'cumm') and part != 'insseg3d.layers':
            return 'only layers import spconv'
        return None
    if part in GROUND and part != there[1]:
        return f'{part} imports nothing of this project'
    if there[1] == ALONE and part != ALONE:
        return None if part in MAKES_ROOMS else 'only tools and the lab import made rooms'
    if target.startswith('insseg3d.compat'):
        return '`import insseg3d` has applied the cures'
    if there[0] > floor:
        return 'arrows point down'
    if there[0] == floor and there[1] != part and floor in STRANGERS:
        return 'siblings are strangers'
    return None


def project_sources() -> tuple[dict[str, str], set[str]]:
    sources, packages = {}, set()
    for path in [*PROJECTS.rglob('*.py'), *PROJECTS.parent.glob('tools/*.py')]:
        start = PROJECTS if PROJECTS in path.parents else PROJECTS.parent
        names = path.relative_to(start).with_suffix('').parts
        name = '.'.join(names[:-1] if names[-1] == '__init__' else names)
        sources[name] = path.read_text()
        if names[-1] == '__init__':
            packages.add(name)
    return sources, packages


def test_arrows_point_down():
    sources, packages = project_sources()
    assert {'insseg3d', 'insseg3d.ops.masks', 'queryis.rpg_neck', 'tools.infer'} <= sources.keys()
    assert METHODS >= {'queryis', 'insseg_baselines'}
    assert not violations(sources, packages)


@pytest.mark.parametrize(
    'name, source, reason',
    [
        ('insseg3d.ops.masks', 'import mmengine', 'ops import'),
        ('insseg3d.ops.masks', 'from mmdet3d.registry import MODELS', 'ops import'),
        ('insseg3d.ops.masks', 'def f():\n    from ..layers import norm', 'arrows'),
        ('insseg3d.layers.norm', 'from insseg3d.segmentors import instance_segmentor', 'arrows'),
        ('insseg3d.backbones.net', 'from ..transforms.crop import crop', 'siblings'),
        ('insseg3d.backbones.net', 'from insseg3d import datasets', 'siblings'),
        ('insseg3d.evaluation.metrics.m', 'from ...datasets import base', 'siblings'),
        ('insseg3d.evaluation.functional.ap', 'import spconv.pytorch as spconv', 'only layers'),
        ('insseg3d.segmentors.s', 'import queryis.rpg_neck', 'arrows'),
        ('insseg3d.segmentors.s', 'from insseg3d.apis import inferencer', 'arrows'),
        ('queryis.head', 'from insseg_baselines import pointgroup', 'siblings'),
        ('queryis.head', 'from insseg3d import compat', 'has applied'),
        ('insseg_scans.reading', 'from insseg3d.datasets import base', 'nothing of this'),
        ('insseg_scans.reading', 'from insseg3d.ops import masks', 'nothing of this'),
        ('insseg_scans.reading', 'import insseg_preparation.storage', 'nothing of this'),
        ('insseg3d.ops.masks', 'from insseg_scans import scan', 'arrows'),
        ('insseg3d.layers.norm', 'from insseg_scans import scan', 'siblings'),
        ('insseg3d.apis.model', 'from insseg_analysis import label_sets', 'arrows'),
        ('insseg3d.apis.model', 'from insseg_lab.speed import measure', 'arrows'),
        ('insseg_analysis.figure', 'from insseg_lab import provenance', 'arrows'),
        ('insseg_preparation.scannet.raw', 'from insseg3d.segmentors import s', 'siblings'),
        ('insseg_lab.provenance', 'from tools import demo', 'arrows'),
        ('made_rooms.room', 'from insseg3d.ops import masks', 'nothing of this'),
        ('insseg3d.datasets.base', 'import made_rooms', 'made rooms'),
        ('queryis.head', 'from made_rooms import make_room', 'made rooms'),
        ('insseg_analysis.figure', 'from made_rooms import make_room', 'made rooms'),
    ],
)
def test_finds_a_wrong_arrow(name, source, reason):
    (found,) = violations({name: source})
    assert name in found and reason in found


@pytest.mark.parametrize(
    'name, source',
    [
        (
            'insseg3d.ops.masks',
            'import math\nimport torch\nfrom scipy import spatial\nfrom . import x',
        ),
        ('insseg3d.layers.norm', 'import spconv.pytorch\nfrom ..ops import masks'),
        ('insseg3d.evaluation.metrics.m', 'from ..functional import ap\nimport mmengine'),
        (
            'insseg3d.segmentors.s',
            'from ..structures import VoxelLevel\nfrom ..backbones import net',
        ),
        ('queryis.head', 'from .neck import Neck\nfrom insseg3d.segmentors import s'),
        ('insseg3d.apis.infer', 'import queryis\nfrom ..transforms import crop'),
        ('insseg_scans.looks', 'from .points import ply\nimport numpy'),
        ('insseg3d.transforms.scene', 'from insseg_scans.color_range import x'),
        ('insseg_preparation.custom.scan', 'from insseg_scans import x\nfrom ..storage import y'),
        ('insseg_analysis.figure', 'from insseg3d.apis import load_model'),
        ('insseg_lab.speed.measure', 'from made_rooms import KINDS\nimport insseg_analysis.run'),
        ('made_rooms.room', 'from .layout import programs\nimport numpy'),
        ('tools.demo', 'import made_rooms\nfrom insseg_lab import provenance'),
    ],
)
def test_lets_a_right_arrow_pass(name, source):
    assert not violations({name: source})


def test_knows_a_package_from_a_module():
    source = 'from .metric import Metric'
    assert imports('a.b', source) == {'a.metric.Metric'}
    assert imports('a.b', source, is_package=True) == {'a.b.metric.Metric'}
    assert imports('a.b.c', 'from ..d import e') == {'a.d.e'}


LOADED = """
import sys
import insseg3d.apis
print(*sorted({name.split('.')[0] for name in sys.modules}))
"""


def loaded_by(code: str) -> set[str]:
    """Names of the top-level packages that a new interpreter has loaded after some code."""
    result = subprocess.run(
        [sys.executable, '-c', code], text=True, capture_output=True, check=True
    )
    return set(result.stdout.split('\n')[-2].split())


def test_inference_loads_neither_made_rooms_nor_the_lab():
    loaded = loaded_by(LOADED)
    assert 'insseg3d' in loaded
    assert not loaded & {'made_rooms', 'insseg_lab', 'insseg_analysis', 'insseg_preparation'}


def test_finds_a_package_that_inference_loads():
    assert 'made_rooms' in loaded_by(LOADED.replace('import sys', 'import sys, made_rooms'))


STARTS = {'run', 'Popen', 'call', 'check_call', 'check_output', 'system', 'execv', 'spawnv'}


def starts_a_process(source: str) -> bool:
    """Return whether code calls a function of subprocess or os that starts a program."""
    tree = ast.parse(source)
    modules = {target.split('.')[0] for target in imports('x', source)}
    if not modules & {'subprocess', 'os', 'multiprocessing'}:
        return False
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            owner, _, function = name.rpartition('.')
            if function in STARTS and owner in ('subprocess', 'os'):
                return True
    return any(
        target.split('.')[0] == 'subprocess' and target.split('.')[-1] in STARTS
        for target in imports('x', source)
    )


def test_only_tools_and_the_lab_start_commands():
    found = {
        name
        for name, source in project_sources()[0].items()
        if name.split('.')[0] not in ('tools', 'insseg_lab') and starts_a_process(source)
    }
    assert not found


@pytest.mark.parametrize(
    'source, starts',
    [
        ('import subprocess\nsubprocess.run(["tools/train.py"])', True),
        ('from subprocess import Popen\nPopen(["tools/train.py"])', True),
        ('import os\nos.system("tools/train.py")', True),
        ('import os\nos.path.join("a")', False),
        ('runner.run()', False),
    ],
)
def test_finds_code_that_starts_a_process(source, starts):
    assert starts_a_process(source) == starts
