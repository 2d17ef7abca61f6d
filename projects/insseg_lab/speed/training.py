# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Time updates of the weights and whole iterations, and compare trainings in half precision.

All are commands of ``benchmark_training.py``.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.runner import Runner

from insseg3d.apis import load_model
from insseg3d.engine.command import load_config

from ..memory import forget_peak_memory, peak_memory_mb
from ..provenance import commit, machine, shown, versions
from .pipelines import build_pipeline, run_pipeline, write_scan
from .scenes import read_points

TRAININGS = {
    'float32': {},
    'bfloat16': dict(half=torch.bfloat16),
    'float32, moved': dict(moved=1e-3),
}
STOCK = 'DefaultOptimWrapperConstructor'


def time_updates(model: torch.nn.Module, config: Config, *, repeat: int, warm_up: int) -> dict:
    """Time updates with made gradients: mmengine's groups, merged groups, and as configured.

    Args:
        model: Model whose weights are updated.
        config: Config of a training; its ``optim_wrapper`` is timed, with clipping of gradients.
        repeat: Timed updates of each kind.
        warm_up: Updates before them.

    Returns:
        ``seconds`` per update, a median, and ``groups`` of parameters, by name of the kind.
    """
    configured = {k: v for k, v in config.optim_wrapper.to_dict().items() if k != 'type'}
    optimizer = {k: v for k, v in configured['optimizer'].items() if k != 'fused'}
    kinds = {
        'a group for each parameter': dict(configured, optimizer=optimizer, constructor=STOCK),
        'merged groups': dict(configured, optimizer=optimizer),
        'as configured': configured,
    }
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = [1e-3 * torch.randn_like(p) for p in parameters]
    wrappers = {
        name: build_optim_wrapper(model, dict(options, type='OptimWrapper'))
        for name, options in kinds.items()
    }
    seconds = {name: [] for name in kinds}
    for _ in range(warm_up + repeat):  # in turn, so that what else the machine does meets all
        for name, wrapper in wrappers.items():
            for parameter, gradient in zip(parameters, gradients):
                parameter.grad = gradient.clone()
            _wait(parameters)
            start = time.perf_counter()
            wrapper.step()
            _wait(parameters)
            seconds[name].append(time.perf_counter() - start)
    return {
        name: dict(
            seconds=statistics.median(seconds[name][warm_up:]),
            groups=len(wrapper.optimizer.param_groups),
        )
        for name, wrapper in wrappers.items()
    }


def _wait(parameters: Sequence[torch.Tensor]) -> None:
    if parameters[0].is_cuda:
        torch.cuda.synchronize()


class _Moved(Hook):
    """Hook that changes each initial weight by a random share of itself, the same every time."""

    def __init__(self, share: float) -> None:
        self.share = share

    def before_train(self, runner: Runner) -> None:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for weights in runner.model.parameters():
                drawn = torch.randn(weights.shape, generator=generator).to(weights.device)
                weights.mul_(1 + self.share * drawn)


class _Losses(Hook):
    """Hook that keeps the loss of each iteration."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.values = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        self.values.append(float(outputs['loss'].detach()))


def training_losses(
    config: Config, *, iterations: int, half: torch.dtype | None = None, moved: float = 0.0
) -> np.ndarray:
    """Train without validation, and keep nothing but the losses.

    Args:
        config: Config of the training.
        iterations: Iterations of the training.
        half: Type to which the forward passes are cast automatically; None: float32.
        moved: Share by which the initial weights are changed. It shows how far apart trainings
            are that differ by next to nothing.

    Returns:
        ``(iterations,)``.
    """
    config = config.copy()
    config.train_cfg.max_iters = iterations
    for key in ('dataloader', 'cfg', 'evaluator'):
        for split in ('val', 'test'):
            config[f'{split}_{key}'] = None
    config.default_hooks.checkpoint = None
    config.log_level = 'WARNING'
    losses = _Losses()
    with tempfile.TemporaryDirectory() as config.work_dir:
        config.experiment_name = f'losses_{half}_{time.time_ns()}'
        runner = Runner.from_cfg(config)
        forward, kind = runner.model.forward, next(runner.model.parameters()).device.type

        def under_autocast(*args, **options):
            with torch.autocast(kind, dtype=half, enabled=half is not None):
                return forward(*args, **options)

        runner.model.forward = under_autocast
        runner.register_hook(losses)
        runner.register_hook(_Moved(moved))
        runner.train()
    return np.array(losses.values)


def compare_losses(exact: np.ndarray, other: np.ndarray, *, window: int) -> dict:
    """Measure how far two curves of losses lie apart.

    Args:
        exact: ``(N,)``.
        other: ``(N,)``.
        window: Iterations that are averaged.

    Returns:
        ``largest`` and ``last`` relative difference of the running means, and both ``last_means``.
    """
    window = min(window, len(exact))
    means = [np.convolve(curve, np.full(window, 1 / window), 'valid') for curve in (exact, other)]
    apart = np.abs(means[1] - means[0]) / means[0]
    return dict(
        largest=float(apart.max()),
        last=float(apart[-1]),
        window=window,
        last_means=[float(mean[-1]) for mean in means],
    )


def time_step(
    model: torch.nn.Module, wrapper: OptimWrapper, data: dict, *, repeat: int, warm_up: int = 1
) -> dict[str, float]:
    """Time iterations of a training on one batch, and measure the memory that they take.

    Args:
        model: Model in training mode.
        wrapper: Its optimizer.
        data: Batch from ``batch_of_scans``.
        repeat: Timed iterations.
        warm_up: Iterations before them.

    Returns:
        ``seconds`` per iteration, a median, and ``peak_memory_mb``.
    """
    parameters, seconds = list(model.parameters()), []
    device = parameters[0].device
    forget_peak_memory(device)
    for _ in range(warm_up + repeat):
        _wait(parameters)
        start = time.perf_counter()
        model.train_step(data, wrapper)
        _wait(parameters)
        seconds.append(time.perf_counter() - start)
    return dict(seconds=statistics.median(seconds[warm_up:]), peak_memory_mb=peak_memory_mb(device))


def batch_of_scans(config: Config, points: np.ndarray, number: int) -> dict:
    """Make a training batch of one scan with made labels, augmented anew for each scene.

    Args:
        config: Config with the training pipeline.
        points: ``(P, 6)``.
        number: Scenes of the batch.
    """
    pipeline = build_pipeline(config.train_dataloader.dataset.pipeline)
    with tempfile.TemporaryDirectory() as folder:
        info = write_scan(Path(folder), points, config)
        return pseudo_collate([run_pipeline(pipeline, info, draw)[0] for draw in range(number)])


def run_step(args: argparse.Namespace) -> dict:
    """Time iterations by batch size, print and return the figures; end where memory ends."""
    MMLogger.get_instance('benchmark', log_level='ERROR')
    model, config = load_model(args.config, None, args.device)
    options = config.optim_wrapper.to_dict()
    options['type'] = 'AmpOptimWrapper' if args.amp else 'OptimWrapper'
    wrapper, points = build_optim_wrapper(model.train(), options), read_points(args)
    rows = []
    print(f'{shown(Path(args.config).resolve())}, {args.device}, {len(points)} points a scene')
    for number in args.batches:
        data = batch_of_scans(config, points, number)
        try:
            row = time_step(model, wrapper, data, repeat=args.repeat, warm_up=args.warm_up)
        except torch.cuda.OutOfMemoryError:
            print(f'{number:4d} scenes: more memory than there is', flush=True)
            break
        rows.append(dict(scenes=number, **row))
        print(
            f'{number:4d} scenes{row["seconds"]:10.3f} s an iteration'
            f'{row["peak_memory_mb"]:10.0f} MB',
            flush=True,
        )
    return dict(
        config=shown(Path(args.config).resolve()),
        rows=rows,
        points=len(points),
        amp=args.amp,
        device=args.device,
        machine=machine(args.device),
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )


def run_update(args: argparse.Namespace) -> dict:
    """Time updates of the weights, print and return the figures."""
    MMLogger.get_instance('benchmark', log_level='ERROR')  # a line for each parameter
    model, config = load_model(args.config, None, args.device)
    kinds = time_updates(model.train(), config, repeat=args.repeat, warm_up=args.warm_up)
    print(
        f'{shown(Path(args.config).resolve())}, {args.device}, {torch.get_num_threads()} '
        f'threads, median of {args.repeat} updates'
    )
    for name, row in kinds.items():
        print(f'{name:30s}{row["groups"]:5d} groups{1000 * row["seconds"]:10.2f} ms an update')
    return dict(
        kinds=kinds,
        device=args.device,
        threads=torch.get_num_threads(),
        machine=machine(args.device),
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )


def run_amp(args: argparse.Namespace) -> dict:
    """Train in float32 and in bfloat16, print and return the distances of the losses."""
    config, curves, seconds = load_config(args.config), {}, {}
    for name, options in TRAININGS.items():
        start = time.perf_counter()
        curves[name] = training_losses(config, iterations=args.iterations, **options)
        seconds[name] = time.perf_counter() - start
    exact, apart = curves['float32'], {}
    for name, curve in curves.items():
        found = apart[name] = compare_losses(exact, curve, window=args.window)
        print(
            f'{name:16s}mean loss of the last {found["window"]} of {args.iterations} iterations '
            f'{found["last_means"][1]:.4f}, {seconds[name]:.0f} s; running means apart by '
            f'{100 * found["largest"]:.2f} % at most, {100 * found["last"]:.2f} % at the end'
        )
    return dict(
        apart=apart,
        seconds=seconds,
        threads=torch.get_num_threads(),
        losses={name: curve.tolist() for name, curve in curves.items()},
        command=args.command_line,
        commit=commit(),
        versions=versions(),
    )
