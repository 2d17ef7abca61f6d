# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""The tables of the paper as sections of docs/results.md, from docs/paper_tables.json."""

from .tables import markdown_table

NOT_YET = 'not trained yet'
FIG4 = """\
## Fig. 4: numbers of queries and of representative points

The paper shows curves and has no numbers in its text: (a) AP rises from K 50 to 100, then it is
stable; (b) it rises from J 500 to 2000, then no further. Our runs on made rooms, if there are any,
are above; on ScanNetV2: not trained yet.
"""


def table1(paper: dict) -> str:
    """Return Table 1 as a section in Markdown."""
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


def table2(paper: dict) -> str:
    """Return Table 2 as a section in Markdown."""
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


def per_class(table: dict) -> str:
    """Return the scores per class of those methods that have them."""
    rows = [row for row in table['rows'] if 'classes' in row]
    return markdown_table(
        ['class', *(row['method'] for row in rows)],
        [[name, *(row['classes'][k] for row in rows)] for k, name in enumerate(table['classes'])],
    )


def table3(paper: dict) -> str:
    """Return Table 3 as a section in Markdown."""
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


def table4(paper: dict) -> str:
    """Return Table 4 as a section in Markdown."""
    rows = [
        [row['variant'], row['keys'], row['queries'], row['AP'], row['AP50'], NOT_YET]
        for row in paper['table4']['rows']
    ]
    return '\n'.join(
        [
            "## Table 4: ablations on ScanNetV2 val, the paper's numbers\n",
            'The S model. Our runs on made rooms, if there are any, are above.\n',
            markdown_table(
                ['variant', 'keys and values', 'queries', 'AP', 'AP50', 'ours on ScanNetV2'], rows
            ),
            '',
        ]
    )
