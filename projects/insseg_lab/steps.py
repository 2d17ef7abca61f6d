# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Tools that run one after another, with their commands and their progress on the terminal."""

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from .provenance import ROOT, shown

ITERATION = re.compile(r'Iter\((?:train|test)\)\s*\[\s*(\d+)/\s*(\d+)\]')


class Steps:
    """Runs the tools of a series, prints their commands and shows how far they are.

    Args:
        number: Steps of the series.
        work: Folder of the logs.
    """

    def __init__(self, number: int, work: Path) -> None:
        self.number, self.done, self.work = number, 0, work

    def __call__(
        self, title: str, tool: str, arguments: Sequence[object], bar: str | None = None
    ) -> None:
        """Run a tool.

        Args:
            title: Title of the step.
            tool: File in ``tools/``.
            arguments: Arguments of the tool.
            bar: Unit of the progress bar that replaces the output; None: let the tool print.

        Raises:
            subprocess.CalledProcessError: If a tool that prints fails.
            SystemExit: If a tool with a bar fails.
        """
        self.done += 1
        command = [sys.executable, str(ROOT / 'tools' / tool), *map(str, arguments)]
        print(
            f'\n[{self.done}/{self.number}] {title}\n$ python tools/{tool} '
            + ' '.join(map(shown, arguments)),
            flush=True,
        )
        start = time.time()
        if bar is None:
            subprocess.run(command, check=True)
        else:
            self.with_bar(command, tool, bar)
        print(f'    {time.time() - start:.0f} s', flush=True)

    def with_bar(self, command: Sequence[str], tool: str, unit: str) -> None:
        """Write the output of a tool to a file, and show its iterations as a progress bar."""
        log = self.work / f'{Path(tool).stem}.log'
        print(f'    output: {shown(log)}', flush=True)
        lines = []
        with open(log, 'w') as file, tqdm(unit=f' {unit}s', mininterval=1) as progress:
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            for line in process.stdout:
                file.write(line)
                lines = lines[-30:] + [line]
                match = ITERATION.search(line)
                if match:
                    progress.total = int(match[2])
                    progress.update(int(match[1]) - progress.n)
            code = process.wait()
        if code:
            sys.exit(''.join(lines) + f'\n{tool} failed with exit status {code}; see {log}')
