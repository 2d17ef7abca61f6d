# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Make docs/results.md and its pictures of the results that are kept, beside the paper's tables.

    python tools/results.py [DIR ...] [--out docs/results.md]

DIR holds the JSON files of run_experiments.py, or those of `benchmark.py speed`; default: the
folders of results/. Pictures are written beside the page, as results_<folder>….png; others of
that name are removed.
"""

import argparse
import functools
import json
import re
import sys
from pathlib import Path

from insseg_lab.experiments.tables import (
    NUMBERED,
    SCORES,
    by_leaf,
    difference,
    draw_leaves,
    markdown_table,
    percent,
    read_runs,
)
from insseg_lab.provenance import ROOT
from insseg_lab.speed.report import components, draw_speed

NOT_YET = 'not trained yet'
INTRODUCTION = """\
# Results

Made by `make results` from the files in `results/`; do not edit. Numbers that are called the
paper's were copied from the paper (its data: ScanNetV2, S3DIS); nobody has reproduced them here.
**3D-QueryIS has not been trained on ScanNet or S3DIS in this project yet.** What was trained here
was trained on made rooms, at the budget that stands beside it, and is no measure of what the method
reaches on scans.

AP, AP50 and AP25 are times 100, as in the paper; ± is the standard deviation over seeds.
"""
MADE_ROOMS = """\
## On made rooms: ours

Furnished rooms made by `tools/synthesize.py`, the same for all rows of a table; models brought to
their size by a budget ([experiments.md](experiments.md)). Read differences within a table, not
against the paper: rooms are cleaner and smaller than scans, trainings shorter by orders of
magnitude, and a difference below about twice the pooled standard deviation (in brackets) says
nothing. Seconds of training are those of one thread on cores that other programs used as well.
"""
TOPICS = {
    'methods': 'Methods side by side',
    'table4': 'Table 4: where keys, values and queries come from',
    'fig4': 'Fig. 4: how many queries and representative points',
    'choices': 'What the paper leaves open',
}
FIG4 = """\
## Fig. 4: numbers of queries and of representative points

The paper has curves, and no numbers in its text: (a) better from K 50 to 100, then stable; (b)
better from J 500 to 2000, then no more. Ours on made rooms stand above, where they were run; on
ScanNetV2: not trained yet.
"""


def parse_args(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folders', nargs='*', type=Path, metavar='DIR')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'results.md')
    return parser.parse_args(argv)


def make_page(folders):
    """The page as text, and the figures by file name."""
    paper = json.loads((ROOT / 'docs' / 'paper_tables.json').read_text())
    variants = {row['leaf']: row for row in paper['table4']['rows']}
    methods = {
        row['method'].lower().removeprefix('3d-'): dict(row, variant=row['method'])
        for row in paper['table1']['rows']
    }
    sections, figures = [], {}
    for folder in folders:
        leaves = by_leaf(read_runs(folder), list(variants))
        for topic, group in by_topic(leaves, variants).items() if leaves else ():
            name = f'results_{folder.name}_{topic}.png'
            named = {
                result.leaf: methods.get(result.name.split('_')[0])
                if topic == 'methods'
                else variants.get(result.name)
                for result in group
            }
            # The full model, which stands first, has no number for its place on a curve.
            curve = topic == 'fig4' and [result for result in group if NUMBERED.match(result.name)]
            figures[name] = draw_leaves(curve or group, functools.partial(label, named=named))
            title = f'{TOPICS[topic]} (`results/{folder.name}`)'
            sections.append(made_rooms_section(title, name, group, named))
        speed = [(entry, details) for entry, details, _ in speed_entries([folder])]
        if speed:
            figures[f'results_{folder.name}.png'] = draw_speed(*zip(*speed))
    parts = [
        INTRODUCTION,
        MADE_ROOMS,
        *(sections or ['Nothing was run yet.\n']),
        table1(paper),
        table2(paper),
        table3(paper),
        table4(paper),
        FIG4,
        table5(paper, folders),
    ]
    return '\n'.join(parts), figures


def by_topic(leaves, variants):
    """Leaves by what they vary, the full model before its ablations.

    Args:
        leaves: of one folder.
        variants: rows of Table 4 by leaf; the one among the methods is the full model.

    Returns:
        Key of ``TOPICS`` → its leaves.
    """
    found = {topic: [] for topic in TOPICS}
    for result in leaves:
        folder = Path(result.leaf).parent.name
        found[folder if folder in TOPICS else 'methods'].append(result)
    methods = found.pop('methods')
    full = [result for result in methods if result.name in variants]
    ablations = {topic: full + group for topic, group in found.items() if group}
    return ablations if methods == full and ablations else {'methods': methods, **ablations}


def label(result, named):
    """A leaf as the paper calls it, where it does; two of one row keep their own names too."""
    row = named[result.leaf]
    if not row:
        return result.name
    alone = sum(other is row for other in named.values()) == 1
    return row['variant'] if alone else f'{row["variant"]} ({result.name})'


def made_rooms_section(title, picture, leaves, named):
    """Tables of some leaves, the first of which the others are compared with.

    Args:
        title: head line.
        picture: file.
        leaves: as of ``by_leaf``.
        named: path of each leaf → its row in a table of the paper, or None.
    """
    notes = Notes()
    base = leaves[0]
    columns = [
        '',
        *SCORES,
        'AP50 − first (pooled)',
        "paper's AP / AP50",
        'seeds',
        'parameters',
        'training',
        'memory',
        'made by',
    ]
    rows = []
    for result in leaves:
        paper = named[result.leaf]
        rows.append(
            [
                f'[{label(result, named)}](../{result.leaf})',
                *(percent(result.mean(key), result.deviation(key)) for key in SCORES),
                difference(result, base, 'AP50'),
                f'{paper["AP"]} / {paper["AP50"]}' if paper else 'none',
                ', '.join(str(run['seed']) for run in result.runs),
                f'{result.mean("parameters") / 1e6:.2f} M',
                f'{result.mean("seconds_train"):.0f} s',
                f'{result.mean("peak_memory_mb"):.0f} MB'
                if result.values('peak_memory_mb')
                else None,
                notes.of(result),
            ]
        )
    classes = list(
        dict.fromkeys(name for result in leaves for run in result.runs for name in run['classes'])
    )
    per_class = [
        [label(result, named), *(percent(result.class_mean(name, 'AP50')) for name in classes)]
        for result in leaves
    ]
    return '\n'.join(
        [
            f'### {title}\n',
            markdown_table(columns, rows),
            '',
            str(notes),
            f'![scores]({picture})\n',
            'AP50 per class, means over seeds:\n',
            markdown_table(['', *classes], per_class),
            '',
        ]
    )


class Notes:
    """Where rows come from, each origin once."""

    def __init__(self):
        self.found = {}

    def of(self, result):
        """The letters of a leaf's origins."""
        return ' '.join(dict.fromkeys(self.letter(origin(run)) for run in result.runs))

    def letter(self, text):
        return self.found.setdefault(text, f'[{len(self.found) + 1}]')

    def __str__(self):
        return ''.join(f'{letter} {text}\n\n' for text, letter in self.found.items())


def origin(run):
    budget, versions = run['budget'], run['versions']
    return (
        f'`{run["command"]}`: {budget["iterations"]} iterations of {budget["batch_size"]} on '
        f'{budget["train_rooms"]} rooms, tested on {budget["held_out_rooms"]}; commit '
        f'{run["commit"][:12]}{run["commit"][40:]}, {run["machine"]}, torch '
        f'{versions["torch"]}, memory is that of the {device_of(run)}.'
    )


def device_of(run):
    # A machine with a GPU begins with that; names of processors may hold any word.
    return 'training process' if re.match(r'\d+ cores of ', run['machine']) else 'GPU'


def table1(paper):
    table = paper['table1']
    rows = [
        [row['method'], row['AP50'], row['AP'], NOT_YET if 'QueryIS' in row['method'] else '']
        for row in table['rows']
    ]
    return '\n'.join(
        [
            "## Table 1: ScanNetV2 val, the paper's numbers\n",
            markdown_table(['method', 'AP50', 'AP', 'ours'], rows),
            '',
            'AP50 per class, where we have the numbers (the order of the classes is inferred):\n',
            per_class(table),
            '',
        ]
    )


def table2(paper):
    table = paper['table2']
    rows = [
        [row['method'], row['AP50'], NOT_YET if 'QueryIS' in row['method'] else '']
        for row in table['rows']
    ]
    return '\n'.join(
        [
            "## Table 2: ScanNetV2 test, the paper's numbers\n",
            'The paper does not say which width.\n',
            markdown_table(['method', 'AP50', 'ours'], rows),
            '',
            'AP50 per class, where we have the numbers (the order of the classes is inferred):\n',
            per_class(table),
            '',
        ]
    )


def per_class(table):
    rows = [row for row in table['rows'] if 'classes' in row]
    return markdown_table(
        ['class', *(row['method'] for row in rows)],
        [[name, *(row['classes'][k] for row in rows)] for k, name in enumerate(table['classes'])],
    )


def table3(paper):
    columns = paper['table3']['columns']
    rows = [
        [row['method'], *row['area5'], *row['folds'], NOT_YET if 'QueryIS' in row['method'] else '']
        for row in paper['table3']['rows']
    ]
    heads = [
        *(f'Area 5 {column}' for column in columns),
        *(f'6-fold {column}' for column in columns),
    ]
    return '\n'.join(
        [
            "## Table 3: S3DIS, the paper's numbers\n",
            'The paper does not say which width.\n',
            markdown_table(['method', *heads, 'ours'], rows),
            '',
        ]
    )


def table4(paper):
    rows = [
        [row['variant'], row['keys'], row['queries'], row['AP'], row['AP50'], NOT_YET]
        for row in paper['table4']['rows']
    ]
    return '\n'.join(
        [
            "## Table 4: ablations on ScanNetV2 val, the paper's numbers\n",
            'The S model. Ours on made rooms stand above, where they were run.\n',
            markdown_table(
                ['variant', 'keys and values', 'queries', 'AP', 'AP50', 'ours on ScanNetV2'], rows
            ),
            '',
        ]
    )


def table5(paper, folders):
    columns = [
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
    table = paper['table5']
    rows = [
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
    entries = list(speed_entries(folders))
    notes, pictures = [], []
    for folder in folders:
        if any(speed_entries([folder])):
            pictures.append(f'![stages and scaling](results_{folder.name}.png)\n')
    for entry, details, path in entries:
        rows.append(
            [
                f'{Path(entry["config"]).stem}, ours',
                details['machine'] + (', autocast' if details['amp'] else ''),
                *(f'{number:.1f}' for number in components(entry)),
                times(components(entry)[-1], total_of_queryis(entry, path, entries)),
                f'{entry["peak_memory_mb"]:.0f} MB',
                f'{entry["scans"]} × {entry["points"]}',
                entry['commit'][:12],
            ]
        )
        notes.append(speed_note(entry, details, path.name))
    # One command times several configs: each stands there once.
    commands = [
        f'```\n{command}\n```\n'
        for command in dict.fromkeys(details['command'] for _, details, _ in entries)
    ]
    return '\n'.join(
        [
            '## Table 5: milliseconds a scan\n',
            'The paper does not say which width. Ours: medians, batch 1, data on '
            'the device; features are the backbone, mask prediction holds the ranking '
            '([speed.md](speed.md)).\n',
            markdown_table(columns, rows),
            '',
            *notes,
            '',
            *commands,
            *pictures,
            *([] if notes else ['Ours: not measured yet.\n']),
        ]
    )


def times(total, of_queryis):
    """How many times as long as 3D-QueryIS, where that was measured."""
    return None if of_queryis is None else f'{total / of_queryis:.1f} ×'


def total_of_queryis(entry, path, entries):
    """Milliseconds of 3D-QueryIS of the same width, measured by the same command."""
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


def width_of(entry):
    """``s`` or ``l``, as the names of the leaves say."""
    return Path(entry['config']).stem.split('_')[0].split('-')[-1]


def speed_entries(folders):
    """Entries of ``benchmark.py speed --json``, with what stands beside them."""
    for folder in folders:
        for path in sorted(folder.glob('*.json')):
            beside = path.with_name(path.name + '.details.json')
            if beside.exists():
                for entry, details in zip(*(json.loads(p.read_text()) for p in (path, beside))):
                    yield entry, details, path


def speed_note(entry, details, name):
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


def main(argv=None):
    args = parse_args(argv)
    folders = args.folders or sorted(path for path in (ROOT / 'results').glob('*') if path.is_dir())
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        print(f'results.py: no folder {", ".join(missing)}', file=sys.stderr)
        return 1
    text, figures = make_page(folders)
    args.out.write_text(text)
    for old in set(args.out.parent.glob('results_*.png')) - set(map(args.out.with_name, figures)):
        old.unlink()  # of results that are gone, or stand elsewhere now
    for name, figure in figures.items():
        figure.savefig(args.out.with_name(name), dpi=110)
    print(f'{args.out}: {len(figures)} pictures')
    return 0


if __name__ == '__main__':
    sys.exit(main())
