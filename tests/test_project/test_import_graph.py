# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Arrows point down: who may import whom."""
import ast
import sys
from pathlib import Path

import pytest

PROJECTS = Path(__file__).parents[2] / 'projects'
METHODS = {'queryis', 'insseg_baselines'}
# Floor of each part of the kernel. What is not named is a registered part, on floor 2. scans reads
# with the readers that the preparation of data has, so it stands on datasets.
FLOORS = {'structures': 0, 'ops': 0, 'layers': 1, 'scans': 3, 'segmentors': 3, 'apis': 5}
PARTS, METHOD_FLOOR = 2, 4
OPS_MAY_IMPORT = {'torch', 'numpy', 'scipy', 'numba', 'llvmlite'}  # numba stands on llvmlite


def imports(name: str, source: str, is_package: bool = False) -> set[str]:
    """Absolute names of the modules that a module imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = name.split('.') if is_package else name.split('.')[:-1]
            base = base[:len(base) - node.level + 1] if node.level else []
            module = '.'.join([*base, *([node.module] if node.module else [])])
            # `from package import name` may mean a module: keep the longer name.
            found |= {f'{module}.{alias.name}' for alias in node.names}
    return found


def place(module: str) -> tuple[int, str] | None:
    """(floor, part) of a module of this project; None for one of somebody else's."""
    root, *rest = module.split('.')
    if root in METHODS:
        return METHOD_FLOOR, root
    if root != 'insseg3d':
        return None
    part = rest[0] if rest else ''
    return FLOORS.get(part, PARTS), part


def violations(sources: dict[str, str], packages: set[str] = frozenset()) -> list[str]:
    """Every import that the house forbids, one sentence each."""
    found = []
    for name, source in sorted(sources.items()):
        if name == 'insseg3d':
            continue  # the front door imports every part to register it
        floor, part = place(name)
        for target in sorted(imports(name, source, name in packages)):
            root, there = target.split('.')[0], place(target)
            if there is None:
                if part == 'ops' and root not in OPS_MAY_IMPORT | sys.stdlib_module_names:
                    found.append(f'{name} imports {target}: ops know torch, numpy, scipy, numba')
                if root in ('spconv', 'cumm') and part != 'layers':
                    found.append(f'{name} imports {target}: only layers import spconv')
            elif target.startswith('insseg3d.compat'):
                found.append(f'{name} imports {target}: `import insseg3d` has applied the cures')
            elif there[0] > floor:
                found.append(f'{name} imports {target}: arrows point down')
            elif there[0] == floor and there[1] != part and floor in (PARTS, METHOD_FLOOR):
                found.append(f'{name} imports {target}: siblings are strangers')
    return found


def project_sources() -> tuple[dict[str, str], set[str]]:
    sources, packages = {}, set()
    for path in PROJECTS.rglob('*.py'):
        names = path.relative_to(PROJECTS).with_suffix('').parts
        name = '.'.join(names[:-1] if names[-1] == '__init__' else names)
        sources[name] = path.read_text()
        if names[-1] == '__init__':
            packages.add(name)
    return sources, packages


def test_arrows_point_down():
    sources, packages = project_sources()
    assert {'insseg3d', 'insseg3d.ops.masks', 'queryis.rpg_neck'} <= sources.keys()
    assert not violations(sources, packages)


@pytest.mark.parametrize('name, source, reason', [
    ('insseg3d.ops.masks', 'import mmengine', 'ops know'),
    ('insseg3d.ops.masks', 'from mmdet3d.registry import MODELS', 'ops know'),
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
])
def test_finds_a_wrong_arrow(name, source, reason):
    (found,) = violations({name: source})
    assert name in found and reason in found


@pytest.mark.parametrize('name, source', [
    ('insseg3d.ops.masks', 'import math\nimport torch\nfrom scipy import spatial\nfrom . import x'),
    ('insseg3d.layers.norm', 'import spconv.pytorch\nfrom ..ops import masks'),
    ('insseg3d.evaluation.metrics.m', 'from ..functional import ap\nimport mmengine'),
    ('insseg3d.segmentors.s', 'from ..structures import VoxelLevel\nfrom ..backbones import net'),
    ('queryis.head', 'from .neck import Neck\nfrom insseg3d.segmentors import s'),
    ('insseg3d.apis.infer', 'import queryis\nfrom ..transforms import crop'),
])
def test_lets_a_right_arrow_pass(name, source):
    assert not violations({name: source})


def test_knows_a_package_from_a_module():
    source = 'from .metric import Metric'
    assert imports('a.b', source) == {'a.metric.Metric'}
    assert imports('a.b', source, is_package=True) == {'a.b.metric.Metric'}
    assert imports('a.b.c', 'from ..d import e') == {'a.d.e'}
