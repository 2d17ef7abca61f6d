# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Safe use of the config inside a checkpoint: the model and the test pipeline, from known parts.

A config is data, but mmengine acts on it: a type may be any function of any module, a scope is
imported, and parts read the files that their arguments name. This module therefore rejects
everything that is not known to be harmless. A config that users pass themselves is not checked.
"""

import importlib
import inspect
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmdet3d.models.layers.pointnet_modules.builder import SA_MODULES
from mmdet3d.registry import DATASETS, MODELS, TASK_UTILS, TRANSFORMS
from mmengine.config import Config
from mmengine.registry import WEIGHT_INITIALIZERS, Registry

_SCOPE = 'mmdet3d'
_SCOPES = ('mmdet3d', 'mmdet', 'mmengine')

# Modules whose classes neither read files, nor use the network, nor evaluate text. The rest of
# mmdet does all of these: it loads teachers and language models, and a tracker evaluates a name.
_MODEL_MODULES = (
    'mmdet3d.models',
    'mmdet3d.structures.ops',
    'mmdet.models.backbones',
    'mmdet.models.layers',
    'mmdet.models.losses',
    'mmdet.models.necks',
    'mmdet.models.task_modules.assigners',
    'mmdet.models.task_modules.coders',
    'mmdet.models.task_modules.prior_generators',
    'mmdet.models.task_modules.samplers',
    'mmcv.cnn.bricks',
    'mmcv.ops',
    'mmengine.model',
    'mmengine.utils.dl_utils',
    'spconv.pytorch',
    'torch.nn.modules',
)
# Transforms of the frameworks that are useful in a test and take no file from the config.
_TRANSFORMS = frozenset(
    (
        'Compose',
        'GlobalAlignment',
        'GlobalRotScaleTrans',
        'IndoorPointSample',
        'LoadAnnotations3D',
        'LoadPointsFromDict',
        'LoadPointsFromFile',
        'MultiScaleFlipAug3D',
        'NormalizePointsColor',
        'Pack3DDetInputs',
        'PointSample',
        'PointSegClassMapping',
        'PointShuffle',
        'PointsRangeFilter',
        'RandomFlip3D',
    )
)
_INITIALIZERS = frozenset(
    (  # all but PretrainedInit, which reads a file
        'Caffe2XavierInit',
        'ConstantInit',
        'KaimingInit',
        'NormalInit',
        'TruncNormalInit',
        'UniformInit',
        'XavierInit',
    )
)
_NAMED_MODULES = ('mmdet3d.', 'mmcv.transforms.wrappers.', 'mmengine.model.weight_init.')
_LOCAL = (None, {}, {'backend': 'local'}, {'backend': 'mmap'})

_NEVER = frozenset(('load_from', 'pretrained', 'file_client_args'))
_NAMES_A_FILE = re.compile(
    r'(.*_)?(files?|filenames?|paths?|dirs?|folders?|roots?|urls?|uri|checkpoints?|ckpt)'
    r'(_.*)?',
    re.IGNORECASE,
)
_TYPE = re.compile(r'(\w+\.)?\w+')
_WORDS = re.compile(r'[\w+-]*( [\w+-]+)*')  # no part of a path, no address, no module


class _Kind(NamedTuple):
    """Registries in which a type is looked up, and the harmless modules and names."""

    registries: Sequence[Registry]
    modules: tuple[str, ...]
    names: frozenset[str] = frozenset()


def part_to_run(config: Config, where: str, packages: tuple[str, ...]) -> Config:
    """Extract the model and its test pipeline from an untrusted config.

    Args:
        config: Config from ``config_of_text``.
        where: Name of the config's file, for messages.
        packages: Packages of this project; the config may import them and name their parts.

    Returns:
        ``model``, ``default_scope``, and from ``test_dataloader.dataset`` its type, the names and
        colours of its classes, and the pipeline. All other keys are dropped.

    Raises:
        ValueError: A part is missing or not known to be harmless. The message names its key.
    """
    values = config.to_dict()
    try:
        _check_imports(values.get('custom_imports'), packages)
        scope = values.get('default_scope', _SCOPE)
        if scope != _SCOPE:
            raise _refusal('default_scope', scope, f'expected {_SCOPE!r}')
        dataset = _dict_at(values, 'test_dataloader.dataset')
        models = _Kind((MODELS, TASK_UTILS, SA_MODULES), (*packages, *_MODEL_MODULES))
        model = _dict_at(values, 'model')
        if 'type' not in model:
            raise _Refusal('has no model.type')
        _check(model, 'model', models)
        place = 'test_dataloader.dataset'
        if not (isinstance(dataset.get('pipeline'), (list, tuple)) and dataset['pipeline']):
            raise _Refusal(f'has no transforms in {place}.pipeline')
        for number, transform in enumerate(dataset['pipeline']):
            key = f'{place}.pipeline[{number}]'
            if not (isinstance(transform, dict) and 'type' in transform):
                raise _refusal(key, transform, 'expected a transform')
            _check(transform, key, _Kind((TRANSFORMS,), packages, _TRANSFORMS))
        taken = dict(pipeline=dataset['pipeline'], **_names_of_classes(dataset, place))
        if 'type' in dataset:
            _check_type(
                dataset['type'],
                f'{place}.type',
                _Kind((DATASETS,), (*packages, 'mmdet3d.datasets')),
            )
            taken['type'] = dataset['type']
        elif not (taken.get('classes') or taken.get('metainfo', {}).get('classes')):
            raise _Refusal(f'has no {place}.type')
    except _Refusal as refusal:
        raise ValueError(
            f'{where}: the config inside {refusal}. No part of it was run. If you trust whoever '
            'made the file, pass the config yourself: --config FILE.'
        ) from None
    return Config(dict(model=model, default_scope=scope, test_dataloader=dict(dataset=taken)))


class _Refusal(ValueError):
    """Reason to reject a config."""


def _refusal(key: str, value: Any, expected: str) -> _Refusal:
    shown = repr(value)
    return _Refusal(f'has {key} = {shown if len(shown) < 80 else shown[:79] + "…"}; {expected}')


def _check_imports(given: Any, own: tuple[str, ...]) -> None:
    if given is None:
        return
    imports = given.get('imports') if isinstance(given, dict) else given
    names = [imports] if isinstance(imports, str) else imports
    if names is None:
        return
    if not isinstance(names, (list, tuple)):
        raise _refusal('custom_imports.imports', names, 'expected a list of names')
    for name in names:
        if name not in own:
            raise _refusal('custom_imports.imports', name, f'expected none but {", ".join(own)}')


def _dict_at(values: dict, place: str) -> dict:
    for key in place.split('.'):
        values = values.get(key)
        if not isinstance(values, dict):
            raise _Refusal(f'has no {place}')
    return values


def _names_of_classes(dataset: dict, place: str) -> dict:
    """Return ``classes`` and ``metainfo``, reduced to names and colours, as far as present."""
    found = {}
    for key, given in (('classes', dataset), ('metainfo', dataset)):
        if given.get(key) is not None:
            found[key] = given[key]
    if 'metainfo' in found:
        if not isinstance(found['metainfo'], dict):
            raise _refusal(f'{place}.metainfo', found['metainfo'], 'expected a dict')
        found['metainfo'] = {
            key: value
            for key, value in found['metainfo'].items()
            if key in ('classes', 'palette') and value is not None
        }
    for key, names in (
        (f'{place}.classes', found.get('classes')),
        (f'{place}.metainfo.classes', found.get('metainfo', {}).get('classes')),
    ):
        if names is not None and not (
            isinstance(names, (list, tuple)) and all(isinstance(name, str) for name in names)
        ):
            raise _refusal(key, names, 'expected a list of names')
    palette = found.get('metainfo', {}).get('palette')
    if palette is not None and not (
        isinstance(palette, (list, tuple))
        and all(
            isinstance(color, (list, tuple))
            and len(color) == 3
            and all(isinstance(value, int) for value in color)
            for color in palette
        )
    ):
        raise _refusal(f'{place}.metainfo.palette', palette, 'expected colours (r, g, b)')
    return found


def _check(value: Any, place: str, kind: _Kind) -> None:
    """Reject everything in a part of a config that is not known to be harmless."""
    if isinstance(value, dict):
        # The type comes first: the other keys are its arguments.
        for key in sorted(value, key=lambda key: key != 'type'):
            _check_pair(key, value[key], f'{place}.{key}', kind)
    elif isinstance(value, (list, tuple, set)):
        for number, part in enumerate(value):
            _check(part, f'{place}[{number}]', kind)
    elif isinstance(value, str):
        if not _WORDS.fullmatch(value):
            raise _refusal(
                place, value, 'expected words, nothing that may be a file, an address or a module'
            )
    elif not (value is None or isinstance(value, (bool, int, float))):
        raise _refusal(place, value, 'expected words and numbers')


def _check_pair(key: Any, value: Any, place: str, kind: _Kind) -> None:
    if key == 'type':
        _check_type(value, place, kind)
    elif key == 'backend_args':
        if value not in _LOCAL:
            raise _refusal(place, value, "expected no backend but 'local' or 'mmap'")
    elif key == 'init_cfg':
        _check(value, place, _Kind((WEIGHT_INITIALIZERS,), (), _INITIALIZERS))
    elif isinstance(key, str) and key.startswith('_'):
        raise _refusal(place, value, "expected no key of mmengine's own")
    elif key in _NEVER and value is not None and value is not False:
        raise _refusal(place, value, 'expected None, as the weights are in the file')
    elif isinstance(key, str) and _NAMES_A_FILE.fullmatch(key) and _has_text(value):
        raise _refusal(place, value, 'expected no key that names a file or an address')
    else:
        _check(value, place, kind)


def _check_type(name: Any, place: str, kind: _Kind) -> None:
    """Reject a type that is not a registered class of a known module."""
    parts = []  # from all registries, as the model decides which registry builds a part
    if isinstance(name, str) and _TYPE.fullmatch(name):
        parts = [part for node in kind.registries if (part := _registered(name, node)) is not None]
    if not parts:
        names = ' or '.join(dict.fromkeys(node.name for node in kind.registries))
        raise _refusal(place, name, f'expected a name that is registered as {names}')
    for part in parts:
        module = f'{getattr(part, "__module__", "")}.'
        harmless = any(module.startswith(f'{known}.') for known in kind.modules) or (
            module.startswith(_NAMED_MODULES) and part.__name__ in kind.names
        )
        if not (inspect.isclass(part) and harmless):
            raise _refusal(place, name, f'{module[:-1]} may read files or addresses')


def _registered(name: str, registry: Registry) -> Any:
    """Look a name up as mmengine does before it tries to import a module; None if not found."""
    scope, _, name = name.rpartition('.')
    if scope and scope != registry.scope:
        if scope not in _SCOPES:
            return None
        importlib.import_module(f'{scope}.registry')
        root = registry
        while root.parent is not None:
            root = root.parent
        registry = root if scope == root.scope else root.children.get(scope)
    while registry is not None:
        registry.import_from_location()
        if name in registry.module_dict:
            return registry.module_dict[name]
        registry = registry.parent if not scope or registry.scope != 'mmengine' else None
    return None


def _has_text(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_text, value.values()))
    if isinstance(value, (list, tuple, set)):
        return any(map(_has_text, value))
    return isinstance(value, str) and value != ''
