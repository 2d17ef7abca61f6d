# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The names of this project's models, and their configs and checkpoints."""

from collections.abc import Iterator
from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import load

from insseg_scans import Remark

from ..engine.installed import import_methods, index_folder
from .checkpoint_config import part_to_run
from .checkpoints import Checkpoint, read_checkpoint
from .config_text import config_of_text, values_of
from .model import class_names

_CHECKOUT = Path(__file__).resolve().parents[3]
_FRAMEWORKS = frozenset(('mmcv', 'mmdet', 'mmdet3d', 'mmengine', 'spconv', 'torch'))


def models() -> dict[str, Path]:
    """Map names to configs: the index with its aliases, then the other leaves of its folders."""
    folder, found = index_folder(), {}
    for names, config, _ in _indexed(folder):
        for name in names:
            found.setdefault(name.lower(), config)
    for beside in sorted({config.parent for config in found.values()}):
        for leaf in sorted(beside.glob('*.py')):
            found.setdefault(leaf.stem.lower(), leaf)
    return found


def find_config(model: str | Path) -> Path:
    """Find the config for a path or a name.

    Args:
        model: Path of a config, or a name from :func:`models`, in lower or upper case.

    Raises:
        ValueError: It is neither. The message lists the names.
    """
    if Path(model).is_file():
        return Path(model)
    known = models()
    if str(model).lower() in known:
        return known[str(model).lower()]
    raise ValueError(
        f'{model}: neither the path of a config nor a known model; expected one of '
        f'{", ".join(sorted(known))}, or a path.'
    )


def choose_model(
    model: str | Path | Config | None, weights: str | Path | Checkpoint | None
) -> tuple[Config, Checkpoint]:
    """Find the config and the checkpoint of a model; one of them may be None.

    A config and a checkpoint that were already chosen are returned unchanged.

    Args:
        model: Config, or its path or name, see :func:`find_config`. None selects the config
            inside the checkpoint.
        weights: Checkpoint, or its path. None selects that of :func:`find_weights`.

    Raises:
        FileNotFoundError: There is no checkpoint.
        ValueError: The model is unknown, or the checkpoint holds no config or one that could run
            code.
    """
    import_methods()
    if weights is None:
        if model is None or isinstance(model, Config):
            raise ValueError(
                'no weights; expected a checkpoint, or the name of a model that was trained here'
            )
        weights = find_weights(model)
    checkpoint = weights if isinstance(weights, Checkpoint) else read_checkpoint(weights)
    if isinstance(model, Config):
        return model, checkpoint
    if model is not None:
        return Config.fromfile(find_config(model)), checkpoint
    if 'cfg' not in checkpoint.meta:
        raise ValueError(
            f'{checkpoint.path}: no config inside; pass the model as well, by name or config'
        )
    return config_inside(checkpoint), checkpoint


def config_inside(checkpoint: Checkpoint) -> Config:
    """Read the model and its test pipeline from the config inside a checkpoint.

    Raises:
        ValueError: A part is not known to be harmless. The message names its key.
    """
    config = config_of_text(checkpoint.meta['cfg'], checkpoint.path)
    return part_to_run(config, checkpoint.path, own_packages())


def own_packages() -> tuple[str, ...]:
    """Return the packages that this project's configs import; all of them are imported here.

    A framework is never one of them: its parts are trusted one by one, see ``checkpoint_config``.
    """
    return tuple(name for name in import_methods() if name.split('.')[0] not in _FRAMEWORKS)


def voxel_size_of(config: Config) -> float | None:
    """Return the voxel size of the test pipeline in metres; None if it has no voxels."""
    return next(values_of(config.test_dataloader.dataset.pipeline, 'voxel_size'), None)


def disagreements(config: Config, checkpoint: Checkpoint) -> tuple[Remark, ...]:
    """List differences between a config and a checkpoint whose weights fit it."""
    remarks = []
    names = checkpoint.dataset_meta.get('classes')
    if names is not None and tuple(names) != class_names(config):
        remarks.append(Remark("class names are the checkpoint's; the config has others", False))
    try:
        trained = voxel_size_of(config_of_text(checkpoint.meta['cfg'], checkpoint.path))
    except (KeyError, ValueError, AttributeError, TypeError):  # nothing is known of the training
        return tuple(remarks)
    if trained != voxel_size_of(config):
        remarks.append(
            Remark(
                f'voxels of {voxel_size_of(config)} m, from the config; '
                f'the checkpoint was trained '
                f'with {trained} m',
                True,
            )
        )
    return tuple(remarks)


def find_weights(model: str | Path) -> Path:
    """Find the last checkpoint that the tools trained of a model, or the weights that ship with it.

    ``work_dirs/NAME/last_checkpoint`` names the checkpoint. NAME is the given name, the name of the
    config, or an alias. The current folder is searched first, then the checkout. The field
    ``Weights`` of the model index names the weights that ship.

    Raises:
        FileNotFoundError: There is no checkpoint. The message explains how to train one.
        ValueError: The model is unknown.
    """
    config = find_config(model)
    names = [
        Path(model).stem,
        config.stem,
        *(name for name, path in models().items() if path.samefile(config)),
    ]
    roots = dict.fromkeys((Path.cwd(), _CHECKOUT))
    folders = [Path('work_dirs') / name for name in dict.fromkeys(names)]
    for folder in (root / folder for root in roots for folder in folders):
        try:
            named = Path((folder / 'last_checkpoint').read_text().strip())
        except OSError:
            continue
        for path in (named, folder / named.name):  # the second if the folder was moved
            if path.is_file():
                return path
    for _, indexed, shipped in _indexed(index_folder()):
        if shipped is not None and shipped.is_file() and indexed.samefile(config):
            return shipped
    config = config.resolve()
    if config.is_relative_to(Path.cwd()):
        config = config.relative_to(Path.cwd())
    raise FileNotFoundError(
        f'{model}: no checkpoint of it in {" or ".join(map(str, folders))}. Pass one (--weights), '
        f'or train one: `make demo` trains a small model in minutes, named demo; for this model, '
        f'run python tools/train.py {config}'
    )


def _indexed(folder: Path) -> Iterator[tuple[list[str], Path, Path | None]]:
    """Yield the names, the config and the weights, if any ship, of each model of the index."""
    for part in load(folder / 'model-index.yml')['Import']:
        for model in load(folder / part).get('Models', ()):
            aliases = model.get('Alias', [])
            aliases = [aliases] if isinstance(aliases, str) else aliases
            # An address is for OpenMMLab's tools; only files beside the configs ship.
            named = model.get('Weights', '')
            weights = folder / named if named and '://' not in named else None
            yield [model['Name'], *aliases], folder / model['Config'], weights
