# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Trains and tests leaves on made rooms, one after the other, and goes on where it was stopped."""

import dataclasses
import json
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from insseg3d.evaluation import class_metrics

from ..commands import Busy, Finished, RunFailed, launch, only_one
from .budgets import Budget
from .fitting import fill_class_tables, fit_to_rooms, needs_class_tables


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiments:
    """A set of runs with one budget and the same rooms.

    Attributes:
        out: Folder of rooms, work dirs and logs.
        results: Folder of what is kept: a ``.json`` and an ``.npz`` a run.
        tools: Folder of the commands.
        root: Leaves are named by their path from here.
        budget_name: How the results call the budget.
        budget: The budget.
        room_options: Further options of ``synthesize.py``.
        facts: What every result also holds: commit, command, machine, versions.
        launch: Runs a command; as :func:`launch`.
    """

    out: Path
    results: Path
    tools: Path
    root: Path
    budget_name: str
    budget: Budget
    room_options: Sequence[str] = ()
    facts: dict = dataclasses.field(default_factory=dict)
    launch: Callable[[Sequence[str], Path, int], Finished] = launch

    def run_all(self, leaves: Sequence[Path], seeds: Sequence[int]) -> list[str]:
        """Do all runs that have no result yet.

        A run that another process does is put off, and waited for when nothing else is left: the
        same call in several processes shares the runs out.

        Args:
            leaves: Configs.
            seeds: Each leaf is trained with each; every leaf with one seed before the next seed.

        Returns:
            One sentence for each run that failed; the others went on.
        """
        self.make_rooms()
        failures = []
        left = deque((leaf, seed) for seed in seeds for leaf in leaves)
        put_off = 0  # runs in a row that others were found to do
        while left:
            leaf, seed = left.popleft()
            name = run_name(leaf, seed)
            try:
                found = self.run_one(leaf, seed, wait=put_off > len(left))
            except Busy:
                left.append((leaf, seed))
                put_off += 1
                continue
            except Exception as error:  # whatever it is, the other runs go on
                failures.append(f'{name}: {type(error).__name__}: {error}')
                print(failures[-1], flush=True)
            else:
                print(
                    f'{name}: AP {found["AP"]:.4f}, AP50 {found["AP50"]:.4f}, '
                    f'{found["seconds_train"]:.0f} s',
                    flush=True,
                )
            put_off = 0
        return failures

    def make_rooms(self) -> None:
        """Make and convert the rooms, once.

        Raises:
            ValueError: If the folder holds other rooms.
            RunFailed: If a command failed.
        """
        data, rooms = self.out / 'data', self.budget.train_rooms + self.budget.held_out_rooms
        wanted = dict(
            train=self.budget.train_rooms,
            val=self.budget.held_out_rooms,
            options=list(self.room_options),
        )
        with only_one(data) as lock:
            stamp = data / 'rooms.json'
            if stamp.exists():
                found = json.loads(stamp.read_text())
                if found != wanted:
                    raise ValueError(
                        f'{stamp}: other rooms are here, {found}; expected {wanted}. '
                        'Choose another --out.'
                    )
                return
            print(f'making {rooms} rooms', flush=True)
            raw = self.out / 'raw'
            self.launch(
                self._command(
                    'synthesize.py',
                    '--layout',
                    'scannet',
                    '--out',
                    raw,
                    '--scenes',
                    rooms,
                    '--splits',
                    f'train={wanted["train"]},val={wanted["val"]}',
                    '--overwrite',
                    *self.room_options,
                ),
                data / 'make.log',
                lock,
            )
            self.launch(
                self._command(
                    'prepare_scannet.py',
                    '--raw',
                    raw,
                    '--out',
                    data / 'scannet',
                    '--splits',
                    'train',
                    'val',
                ),
                data / 'make.log',
                lock,
            )
            write_whole(stamp, wanted)

    def run_one(self, leaf: Path, seed: int, *, wait: bool = True) -> dict:
        """Train and test one leaf with one seed, or read the result of doing so before.

        Raises:
            ValueError: If there is a result or a training of another budget, or the leaf cannot be
                made small.
            RunFailed: If a command failed.
            Busy: If another process does this run, and ``wait`` is false.
        """
        name = run_name(leaf, seed)
        result = self.results / f'{name}.json'
        budget = dict(name=self.budget_name, **self.budget.facts())
        if result.exists():
            return read_result(result, budget)
        folder = self.out / 'runs' / name
        with only_one(folder, wait=wait) as lock:
            if result.exists():  # another process made it while this one waited
                return read_result(result, budget)
            claim(folder, budget)
            tables = self.results / f'{name}.npz'
            config = fit_to_rooms(
                Config.fromfile(leaf),
                self.budget,
                seed=seed,
                data_root=self.out.resolve() / 'data' / 'scannet',
                results_file=tables.resolve(),
            )
            if needs_class_tables(config):
                fill_class_tables(config, self._class_statistics(config))
            parameters = count_parameters(config)
            config.dump(folder / 'config.py')
            print(f'{name}: training', flush=True)
            memory = self._train(folder, lock)
            tested = self._test(folder, lock)
            found = dict(
                leaf=leaf_name(leaf, self.root),
                seed=seed,
                budget=budget,
                **self.facts,
                parameters=parameters,
                seconds_train=logged_seconds(folder / 'train'),
                seconds_test=round(tested.seconds, 1),
                peak_memory_mb=round(memory) or None,
                **read_scores(folder / 'test'),
            )
            write_whole(result, found)
        return found

    def _class_statistics(self, config: Config) -> dict[str, dict]:
        """What the objects of the training rooms are like, looked at once."""
        data = self.out / 'data'
        with only_one(data) as lock:
            if not (data / 'class_statistics.json').exists():
                print('looking at the training rooms', flush=True)
                config.dump(data / 'config.py')
                self.launch(
                    self._command(
                        'check_dataset.py', data / 'config.py', '--splits', 'train', '--out', data
                    ),
                    data / 'check.log',
                    lock,
                )
            return json.loads((data / 'class_statistics.json').read_text())['classes']

    def _train(self, folder: Path, lock: int) -> float:
        """Train what is not trained yet.

        Returns:
            The most memory, in megabytes, of a GPU where one was used; 0 where it is not known:
            an orphan trained on a CPU.
        """
        work = folder / 'train'
        known = folder / 'memory_mb'
        memory = float(known.read_text()) if known.exists() else 0.0
        if last_iteration(work) < self.budget.iterations:
            # Without a checkpoint, --resume begins anew.
            done = self.launch(
                self._command('train.py', folder / 'config.py', '--work-dir', work, '--resume'),
                folder / 'train.log',
                lock,
            )
            memory = max(memory, done.memory_mb)
            known.write_text(str(memory))
        on_gpu = [row['memory'] for row in logged_rows(work).values() if 'memory' in row]
        return max(on_gpu, default=memory)

    def _test(self, folder: Path, lock: int) -> Finished:
        weights = Path((folder / 'train' / 'last_checkpoint').read_text())
        return self.launch(
            self._command(
                'test.py',
                folder / 'config.py',
                folder / 'train' / weights.name,
                '--work-dir',
                folder / 'test',
            ),
            folder / 'test.log',
            lock,
        )

    def _command(self, tool: str, *arguments: object) -> list[str]:
        return [sys.executable, str(self.tools / tool), *map(str, arguments)]


def read_result(path: Path, budget: dict) -> dict:
    """The result of a run.

    Raises:
        ValueError: If it is of another budget.
    """
    found = json.loads(path.read_text())
    if found['budget'] != budget:
        raise ValueError(
            f'{path}: is of another budget, {found["budget"]}; expected {budget}. '
            'Choose another --results and another --out.'
        )
    return found


def claim(folder: Path, budget: dict) -> None:
    """Write into a run's folder which budget its training has.

    Raises:
        ValueError: If it has another: what it left would be taken for a part of this one.
    """
    stamp = folder / 'budget.json'
    if not stamp.exists():
        write_whole(stamp, budget)
    elif (found := json.loads(stamp.read_text())) != budget:
        raise ValueError(
            f'{folder}: holds a training of another budget, {found}; expected '
            f'{budget}. Choose another --out.'
        )


def run_name(leaf: Path, seed: int) -> str:
    """How a run is called: by the leaf's folder, the leaf and the seed."""
    return f'{leaf.parent.name}_{leaf.stem}_seed{seed}'


def leaf_name(leaf: Path, root: Path) -> str:
    """A leaf by its path from the root; one from elsewhere by its name alone."""
    leaf, root = leaf.resolve(), root.resolve()
    return leaf.relative_to(root).as_posix() if leaf.is_relative_to(root) else leaf.name


def count_parameters(config: Config) -> int:
    """Parameters of a config's model."""
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return sum(parameter.numel() for parameter in MODELS.build(config.model).parameters())


def last_iteration(work: Path) -> int:
    """Iterations that the last checkpoint of a work dir has behind it, 0 without one."""
    pointer = work / 'last_checkpoint'
    return int(Path(pointer.read_text()).stem.removeprefix('iter_')) if pointer.exists() else 0


def logged_rows(work: Path) -> dict[int, dict]:
    """What a training logged, by iteration; of an iteration done twice, the later."""
    rows = {}
    for path in sorted(work.glob('*/vis_data/scalars.json')):
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                continue  # cut off when the training was stopped
            if 'loss' in row and 'step' in row:
                rows[row['step']] = row
    return rows


def logged_seconds(work: Path) -> float:
    """Seconds of a training's iterations, loading included, without starts and stops."""
    rows = logged_rows(work)
    steps = sorted(rows)
    lengths = np.diff([0, *steps])
    return round(float(sum(length * rows[step]['time'] for step, length in zip(steps, lengths))), 1)


def read_scores(work: Path) -> dict:
    """AP, AP50, AP25, per class and number of objects, of the newest test in a work dir.

    Raises:
        RunFailed: If there is none.
    """
    tests = [path for path in work.glob('*/*.json') if path.parent.name == path.stem]
    if not tests:
        raise RunFailed(f'{work}: the test has written no scores')
    found = json.loads(max(tests, key=lambda path: path.stat().st_mtime).read_text())
    names = [key.removeprefix('AP/') for key in found if key.startswith('AP/')]
    classes = {
        name: row for name, row in class_metrics(found, names).items() if row['AP'] is not None
    }
    return dict(
        AP=found['AP'],
        AP50=found['AP50'],
        AP25=found['AP25'],
        classes=classes,
        objects=int(found['num_objects']),
        objects_scored=int(found['num_objects_scored']),
    )


def write_whole(path: Path, value: dict) -> None:
    """Write JSON so that the file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix('.part')
    part.write_text(json.dumps(value, indent=1) + '\n')
    part.replace(path)
