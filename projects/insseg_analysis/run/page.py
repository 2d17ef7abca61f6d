# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The report of a run: one page, its pictures, and its tables as CSV."""

import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from insseg3d.evaluation.functional import (
    COLUMNS,
    InstanceAP,
    RunResults,
    coverage_curve,
    instance_ap,
    mean_of_scored,
)

from .bootstrap import class_scores
from .errors import KINDS, ErrorAccount, error_account
from .plots import draw_coverage, draw_curves, draw_errors

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 2em auto;
       padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 2px 10px; text-align: right; border-bottom: 1px solid #eee; }
th:first-child, td:first-child { text-align: left; }
tr.all td { font-weight: 600; border-top: 1px solid #888; }
svg { max-width: 100%; height: auto; } p { max-width: 46em; }
.wide { overflow-x: auto; }
"""


def write_report(run: RunResults, out: Path, *, title: str) -> dict[str, float]:
    """Write ``report.html``, ``classes.csv``, ``errors.csv`` and the pictures as PNG and SVG.

    Runs with painted masks also get coverage, precision and recall against the score threshold.

    Args:
        run: Tables of a run.
        out: Folder; it is made.
        title: Title of the page.

    Returns:
        AP, AP50 and AP25.
    """
    out.mkdir(parents=True, exist_ok=True)
    options = dict(num_classes=len(run.classes), min_points=run.min_points)
    scored = instance_ap(run.tables(), **options)
    account = error_account(run.tables(), **options)
    rows, errors = class_rows(run.classes, scored), error_rows(run.classes, account)
    _write_csv(out / 'classes.csv', rows)
    _write_csv(out / 'errors.csv', errors)
    figures = {'errors': draw_errors(account, run.classes), **_curves(run, scored)}
    for name, figure in figures.items():
        figure.savefig(out / f'{name}.png', dpi=130)
        figure.savefig(out / f'{name}.svg')
    overall = scored.summary()
    page = _page(title, run, overall, rows, errors, figures)
    (out / 'report.html').write_text(page, encoding='utf-8')
    return overall


def class_rows(classes: Sequence[str], scored: InstanceAP) -> list[list]:
    """Return a table of the scores and counts of each class, and of all."""
    values = [scored.per_class(threshold) for threshold in COLUMNS.values()]
    counts = (scored.num_gt, scored.num_gt_scored, scored.num_pred)
    rows = [['class', *COLUMNS, 'objects', 'scored', 'predictions']]
    for k, name in enumerate(classes):
        rows.append(
            [name, *(_number(value[k]) for value in values), *(count[k] for count in counts)]
        )
    overall = (_number(value) for value in scored.summary().values())
    return [*rows, ['all', *overall, *(count.sum() for count in counts)]]


def error_rows(classes: Sequence[str], account: ErrorAccount) -> list[list]:
    """Return a table of the errors of each class, and of all."""
    rows = [['class', 'found', *KINDS, *(f'AP50 + {kind}' for kind in KINDS)]]
    for k, name in enumerate(classes):
        rows.append(
            [
                name,
                account.found[k],
                *(account.counts[kind][k] for kind in KINDS),
                *(_number(account.gains[kind][k]) for kind in KINDS),
            ]
        )
    rows.append(
        [
            'all',
            account.found.sum(),
            *(account.counts[kind].sum() for kind in KINDS),
            *(_number(mean_of_scored(account.gains[kind])) for kind in KINDS),
        ]
    )
    return rows


def _curves(run: RunResults, scored: InstanceAP) -> dict[str, Figure]:
    """Return the figures of precision and recall, and of coverage if masks were painted."""
    figures, num_classes = {}, len(run.classes)
    for threshold, name in ((0.5, 'AP50'), (0.25, 'AP25')):
        outcomes = class_scores(
            run.tables(),
            num_classes=num_classes,
            min_points=run.min_points,
            thresholds=(threshold,),
        )
        figures[f'curves_{name}'] = draw_curves(
            [row[0] for row in outcomes],
            scored.per_class(COLUMNS[name]),
            run.classes,
            f'IoU {threshold}: {name} of each class',
        )
    if run.scenes and all(scene.partition is not None for scene in run.scenes):
        thresholds = np.linspace(0, 1, 41)
        figures['coverage'] = draw_coverage(
            {
                mode: coverage_curve(tables, num_classes=num_classes, thresholds=thresholds)
                for mode, tables in (('partition', run.parts()), ('overlap', run.tables()))
            }
        )
    return figures


def _page(
    title: str,
    run: RunResults,
    overall: dict[str, float],
    rows: list,
    errors: list,
    figures: dict[str, Figure],
) -> str:
    scores = ', '.join(f'{name} {_number(value)}' for name, value in overall.items())
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width">',
        f'<title>{html.escape(title)}</title><style>{_STYLE}</style></head><body>',
        f'<h1>{html.escape(title)}</h1>',
        f'<p>{len(run.scenes)} scenes, {len(run.classes)} classes; objects and predictions of '
        f'fewer than {run.min_points} points are not scored. <b>{scores}</b></p>',
        '<h2>What went wrong</h2>',
        '<p>Every false prediction and every missed object at IoU 0.5 has one reason. On the '
        'right: how much AP50 would grow if all errors of a kind were cured, averaged over the '
        'classes. Gains do not add up, as one cure hides another.</p>',
        _svg(figures['errors']),
        f'<details><summary>Numbers by class</summary><div class="wide">{_table(errors)}</div>'
        '</details>',
        '<h2>Precision and recall</h2>',
        _svg(figures['curves_AP50']),
        _svg(figures['curves_AP25']),
        *(
            (
                '<h2>Coverage, precision and recall against the score threshold</h2>',
                _svg(figures['coverage']),
            )
            if 'coverage' in figures
            else ()
        ),
        '<h2>Scores by class</h2>',
        _table(rows),
        '</body></html>\n',
    ]
    return '\n'.join(parts)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format='svg')
    text = buffer.getvalue()
    return text[text.index('<svg') :]


def _table(rows: Sequence[Sequence]) -> str:
    head, *body = rows
    lines = ['<table><tr>', *(f'<th>{html.escape(str(cell))}</th>' for cell in head), '</tr>']
    for row in body:
        lines.append('<tr class="all">' if row is body[-1] else '<tr>')
        lines += [f'<td>{html.escape(str(cell))}</td>' for cell in row]
        lines.append('</tr>')
    return ''.join([*lines, '</table>'])


def _write_csv(path: Path, rows: Sequence[Sequence]) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows(rows)


def _number(value: float) -> str:
    return '' if np.isnan(value) else f'{value:.4f}'
