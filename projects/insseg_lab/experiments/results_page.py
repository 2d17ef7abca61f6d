# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The page docs/results.md, from the results that are kept and the tables of the paper."""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ..provenance import ROOT
from ..speed.report import draw_speed
from .paper_tables import FIG4, table1, table2, table3, table4
from .speed_table import speed_entries, table5
from .tables import (
    NUMBERED,
    SCORES,
    LeafResult,
    by_leaf,
    difference,
    draw_leaves,
    markdown_table,
    percent,
    read_runs,
)

INTRODUCTION = """\
# Results

`make results` writes this page from the files in `results/`; do not edit it. The paper's numbers
were copied from the paper (ScanNetV2, S3DIS) and have not been reproduced here. **3D-QueryIS has
not been trained on ScanNet or S3DIS in this project yet.** All models here were trained on made
rooms, with the budget given for each table, and do not show what the method reaches on real scans.

AP, AP50 and AP25 are multiplied by 100, as in the paper; ± is the standard deviation over seeds.
"""
MADE_ROOMS = """\
## On made rooms: ours

`tools/synthesize.py` made the furnished rooms, the same for all rows of a table; a budget scales
the models to their size ([experiments.md](experiments.md)). Compare rows within a table, not with
the paper: rooms are cleaner and smaller than scans, and trainings are shorter by orders of
magnitude. A difference below about twice the pooled standard deviation (in brackets) is not
significant. Training seconds were measured with one thread, on cores shared with other programs.
"""
TOPICS = {
    'methods': 'Methods side by side',
    'table4': 'Table 4: where keys, values and queries come from',
    'fig4': 'Fig. 4: how many queries and representative points',
    'choices': 'What the paper leaves open',
    'plus': '3D-QueryIS+, part by part',
}
OWN_NAMES = {
    'queryis-plus-s_1xb10-150k_scannet': '3D-QueryIS+-S',
    'queryis-plus-l_1xb10-150k_scannet': '3D-QueryIS+-L',
}
"""Names of models that the paper does not have; the first is the base of the topic ``plus``."""
COLUMNS = [
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


def write_page(path: Path, folders: Sequence[Path]) -> int:
    """Write the page and its pictures, and remove pictures of earlier results beside it.

    Args:
        path: The page.
        folders: Folders of results.

    Returns:
        The number of pictures.
    """
    text, figures = make_page(folders)
    path.write_text(text)
    for old in set(path.parent.glob('results_*.png')) - set(map(path.with_name, figures)):
        old.unlink()
    for name, figure in figures.items():
        figure.savefig(path.with_name(name), dpi=110)
    return len(figures)


def make_page(folders: Sequence[Path]) -> tuple[str, dict[str, Figure]]:
    """Return the page as text, and its figures by file name."""
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
            # The full model, the first row, has no number for its place on a curve.
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


def by_topic(
    leaves: Sequence[LeafResult], variants: dict[str, dict]
) -> dict[str, list[LeafResult]]:
    """Group leaves by the part that they vary, the full model before its ablations.

    Args:
        leaves: Leaves of one folder.
        variants: Rows of Table 4 by leaf; the one among the methods is the full model.

    Returns:
        Leaves of each key of ``TOPICS`` that has some.
    """
    found = {topic: [] for topic in TOPICS}
    for result in leaves:
        folder = Path(result.leaf).parent.name
        found[folder if folder in TOPICS else 'methods'].append(result)
    methods = found.pop('methods')
    full = [result for result in methods if result.name in variants]
    plus = [result for result in methods if result.name == next(iter(OWN_NAMES))]
    ablations = {
        topic: (plus if topic == 'plus' else full) + group
        for topic, group in found.items()
        if group
    }
    return ablations if methods == full and ablations else {'methods': methods, **ablations}


def label(result: LeafResult, named: dict[str, dict | None]) -> str:
    """Return the paper's name of a leaf, with its own if two share a row; else its own."""
    row = named[result.leaf]
    if not row:
        return OWN_NAMES.get(result.name, result.name)
    alone = sum(other is row for other in named.values()) == 1
    return row['variant'] if alone else f'{row["variant"]} ({result.name})'


class Notes:
    """Numbered origins of rows, each once."""

    def __init__(self) -> None:
        self.found = {}

    def of(self, result: LeafResult) -> str:
        """Return the numbers of a leaf's origins."""
        return ' '.join(dict.fromkeys(self.letter(origin(run)) for run in result.runs))

    def letter(self, text: str) -> str:
        """Return the number of an origin."""
        return self.found.setdefault(text, f'[{len(self.found) + 1}]')

    def __str__(self) -> str:
        return ''.join(f'{letter} {text}\n\n' for text, letter in self.found.items())


def origin(run: dict) -> str:
    """Return command, budget, commit and machine of a run as a sentence."""
    budget, versions = run['budget'], run['versions']
    return (
        f'`{run["command"]}`: {budget["iterations"]} iterations of {budget["batch_size"]} on '
        f'{budget["train_rooms"]} rooms, tested on {budget["held_out_rooms"]}; commit '
        f'{run["commit"][:12]}{run["commit"][40:]}, {run["machine"]}, torch '
        f'{versions["torch"]}, memory is that of the {device_of(run)}.'
    )


def device_of(run: dict) -> str:
    """Return the device whose memory was measured."""
    # A machine with a GPU begins with that; names of processors may hold any word.
    return 'training process' if re.match(r'\d+ cores of ', run['machine']) else 'GPU'


def made_rooms_section(
    title: str, picture: str, leaves: Sequence[LeafResult], named: dict[str, dict | None]
) -> str:
    """Return tables of some leaves, which are compared with the first, as Markdown.

    Args:
        title: Heading.
        picture: File of the figure.
        leaves: The leaves; see ``by_leaf``.
        named: Row of a table of the paper by path of the leaf, or None.
    """
    notes = Notes()
    rows = [score_row(result, leaves[0], named, notes) for result in leaves]
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
            markdown_table(COLUMNS, rows),
            '',
            str(notes),
            f'![scores]({picture})\n',
            'AP50 per class, means over seeds:\n',
            markdown_table(['', *classes], per_class),
            '',
        ]
    )


def score_row(
    result: LeafResult, base: LeafResult, named: dict[str, dict | None], notes: Notes
) -> list:
    """Return the scores, sizes and origin of a leaf, under ``COLUMNS``."""
    paper = named[result.leaf]
    memory, seconds = result.mean('peak_memory_mb'), result.mean('seconds_train')
    return [
        f'[{label(result, named)}](../{result.leaf})',
        *(percent(result.mean(key), result.deviation(key)) for key in SCORES),
        difference(result, base, 'AP50'),
        f'{paper["AP"]} / {paper["AP50"]}' if paper else 'none',
        ', '.join(str(run['seed']) for run in result.runs),
        f'{result.mean("parameters") / 1e6:.2f} M',
        'test only' if seconds is None else f'{seconds:.0f} s',
        None if memory is None else f'{memory:.0f} MB',
        notes.of(result),
    ]
