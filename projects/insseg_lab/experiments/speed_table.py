# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Table 5 of docs/results.md: milliseconds by stage, our figures and the paper's."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ..speed.report import components
from .tables import markdown_table

COLUMNS = [
    'method',
    'device',
    'features',
    'query generation',
    'mask prediction',
    'total',
    'of QueryIS',
    'peak memory',
    'scans × points',
    'commit',
]
Entry = tuple[dict, dict, Path]
"""An entry of ``benchmark.py speed --json``, its details, and the file that it is in."""


def table5(paper: dict, folders: Sequence[Path]) -> str:
    """Return Table 5, our figures and the paper's, as a section in Markdown.

    Args:
        paper: Content of docs/paper_tables.json.
        folders: Folders of results.
    """
    entries = list(speed_entries(folders))
    notes = [speed_note(entry, details, path.name) for entry, details, path in entries]
    pictures = [
        f'![stages and scaling](results_{folder.name}.png)\n'
        for folder in folders
        if any(speed_entries([folder]))
    ]
    # One command times several configs, and is shown once.
    commands = [
        f'```\n{command}\n```\n'
        for command in dict.fromkeys(details['command'] for _, details, _ in entries)
    ]
    return '\n'.join(
        [
            '## Table 5: milliseconds per scan\n',
            'The paper does not name the width. Our figures are medians with batch 1 and data on '
            'the device. The column *features* is the backbone, and *mask prediction* includes the '
            'ranking ([speed.md](speed.md)).\n',
            markdown_table(COLUMNS, [*paper_rows(paper['table5']), *own_rows(entries)]),
            '',
            *notes,
            '',
            *commands,
            *pictures,
            *([] if notes else ['Ours: not measured yet.\n']),
        ]
    )


def paper_rows(table: dict) -> list[list]:
    """Return the rows of the paper's Table 5."""
    return [
        [
            f"{row['method']}, the paper's",
            table['device'],
            row['features'],
            row['query_generation'],
            row['masks'],
            row['total'],
            times(row['total'], table['rows'][0]['total']),
            '',
            'ScanNet val',
            '',
        ]
        for row in table['rows']
    ]


def own_rows(entries: Sequence[Entry]) -> list[list]:
    """Return the rows that were measured here."""
    return [
        [
            f'{Path(entry["config"]).stem}, ours',
            details['machine'] + (', autocast' if details['amp'] else ''),
            *(f'{number:.1f}' for number in components(entry)),
            times(components(entry)[-1], total_of_queryis(entry, path, entries)),
            f'{entry["peak_memory_mb"]:.0f} MB',
            f'{entry["scans"]} × {entry["points"]}',
            entry['commit'][:12],
        ]
        for entry, details, path in entries
    ]


def times(total: float, of_queryis: float | None) -> str | None:
    """Return a time as a multiple of that of 3D-QueryIS; None if that was not measured."""
    return None if of_queryis is None else f'{total / of_queryis:.1f} ×'


def total_of_queryis(entry: dict, path: Path, entries: Sequence[Entry]) -> float | None:
    """Return the milliseconds of 3D-QueryIS of the same width, measured by the same command."""
    width = width_of(entry)
    return next(
        (
            components(other)[-1]
            for other, _, file in entries
            if file == path
            and width_of(other) == width
            and Path(other['config']).stem.startswith('queryis')
        ),
        None,
    )


def width_of(entry: dict) -> str:
    """Return ``s`` or ``l``, as in the name of the leaf."""
    return Path(entry['config']).stem.split('_')[0].split('-')[-1]


def speed_entries(folders: Iterable[Path]) -> Iterator[Entry]:
    """Yield the entries of ``benchmark.py speed --json`` in folders of results."""
    for folder in folders:
        for path in sorted(folder.glob('*.json')):
            beside = path.with_name(path.name + '.details.json')
            if beside.exists():
                for entry, details in zip(*(json.loads(p.read_text()) for p in (path, beside))):
                    yield entry, details, path


def speed_note(entry: dict, details: dict, name: str) -> str:
    """Return weights, parameters, operations and spread of a measurement as a list item."""
    operations = details['operations'] or {}
    parts = [
        'trained weights' if details.get('weights') else 'untrained weights',
        f'{entry["parameters"] / 1e6:.2f} M parameters',
    ]
    if operations:
        parts.append(f'{sum(operations.values()) / 1e9:.1f} GFLOP')
    if entry['exponent'] is not None:
        sizes = [size for size, _ in details['scaling']]
        parts.append(
            f'total ~ points^{entry["exponent"]:.2f} from {min(sizes):,} to {max(sizes):,} points'
        )
    return (
        f'* {Path(entry["config"]).stem} ({name}): {", ".join(parts)}; interquartile range '
        f'of the total {details["spread_ms"]["total"]:.1f} ms; {details["threads"]} threads, '
        f'torch {entry["versions"]["torch"]}'
    )
