# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Train and test leaves on made rooms, one after another, and resume what was stopped."""

import dataclasses
import json
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from mmdet3d.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from insseg3d.engine.command import load_config

from ..commands import Busy, Finished, launch, only_one
from .budgets import Budget
from .fitting import fill_class_tables, fit_to_rooms, needs_class_tables
from .logs import last_iteration, logged_rows, logged_seconds, read_scores
from .records import claim, leaf_name, read_result, run_name, write_whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class Experiments:
    """A set of runs with one budget and the same rooms.

    Attributes:
        out: Folder of rooms, work dirs and logs.
        results: Folder of the results: a ``.json`` and an ``.npz`` per run.
        tools: Folder of the commands.
        root: Folder from which leaves are named.
        budget_name: Name of the budget in the results.
        budget: The budget.
        room_options: Further options of ``synthesize.py``.
        facts: Further content of every result: commit, command, machine, versions.
        launch: Function that runs a command; see :func:`launch`.
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

        A run in the hands of another process is put off, and waited for when nothing else is left.
        Several processes with the same arguments therefore share the runs.

        Args:
            leaves: Configs.
            seeds: Seeds of each leaf; all leaves are trained with one before the next.

        Returns:
            One sentence per failed run; a failure does not stop the others.
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
                trained = found['seconds_train']
                print(
                    f'{name}: AP {found["AP"]:.4f}, AP50 {found["AP50"]:.4f}, '
                    f'{"test only" if trained is None else f"{trained:.0f} s"}',
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
                    '--superpoints',
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
            config = load_config(leaf)
            parent = config.get('weights_of')
            config = fit_to_rooms(
                config,
                self.budget,
                seed=seed,
                data_root=self.out.resolve() / 'data' / 'scannet',
                results_file=tables.resolve(),
            )
            if needs_class_tables(config):
                fill_class_tables(config, self._class_statistics(config))
            parameters = count_parameters(config)
            config.dump(folder / 'config.py')
            if parent is None:
                print(f'{name}: training', flush=True)
                work = folder / 'train'
                memory, seconds = self._train(folder, lock), logged_seconds(work)
            else:
                work = self._trained(leaf.parent / parent, seed, wait)
                memory, seconds = 0, None
            tested = self._test(folder, work, lock)
            found = dict(
                leaf=leaf_name(leaf, self.root),
                seed=seed,
                budget=budget,
                **self.facts,
                parameters=parameters,
                seconds_train=seconds,
                seconds_test=round(tested.seconds, 1),
                peak_memory_mb=round(memory) or None,
                **read_scores(folder / 'test'),
            )
            write_whole(result, found)
        return found

    def _class_statistics(self, config: Config) -> dict[str, dict]:
        """Return statistics of the objects in the training rooms, which are read once."""
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
        """Train the iterations that are missing.

        Returns:
            Peak memory in megabytes, of a GPU if one was used; 0 if it is unknown because the
            training outlived its parent on a CPU.
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

    def _trained(self, leaf: Path, seed: int, wait: bool) -> Path:
        """Return the folder of another leaf's training with this seed, which is done if missing.

        Raises:
            ValueError: If the result is there without the training.
        """
        leaf = leaf.resolve()
        self.run_one(leaf, seed, wait=wait)
        name = run_name(leaf, seed)
        work = self.out / 'runs' / name / 'train'
        if not (work / 'last_checkpoint').exists():
            raise ValueError(
                f'{work}: no checkpoint here, but {name}.json in {self.results}; expected the '
                'training too. Choose another --results to train again, or the --out of that run.'
            )
        return work

    def _test(self, folder: Path, work: Path, lock: int) -> Finished:
        weights = Path((work / 'last_checkpoint').read_text())
        return self.launch(
            self._command(
                'test.py',
                folder / 'config.py',
                work / weights.name,
                '--work-dir',
                folder / 'test',
            ),
            folder / 'test.log',
            lock,
        )

    def _command(self, tool: str, *arguments: object) -> list[str]:
        return [sys.executable, str(self.tools / tool), *map(str, arguments)]


def count_parameters(config: Config) -> int:
    """Return the number of parameters of a config's model."""
    init_default_scope(config.get('default_scope', 'mmdet3d'))
    return sum(parameter.numel() for parameter in MODELS.build(config.model).parameters())
