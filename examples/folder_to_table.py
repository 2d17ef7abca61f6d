# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Write the objects of a folder of scans to one table; needs pandas.

Usage::

    python examples/folder_to_table.py scans/ objects.csv
    python examples/folder_to_table.py scans/ objects.csv --weights published.pth
"""

import argparse

import pandas as pd

from insseg3d.apis import InstanceSeg3DInferencer


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('scans', help='folder, or a pattern in quotes')
    parser.add_argument('out', help='.csv file to write')
    parser.add_argument('--model', help='default: demo, or the config inside the weights')
    parser.add_argument('--weights')
    args = parser.parse_args(argv)
    model = args.model or (None if args.weights else 'demo')
    inferencer = InstanceSeg3DInferencer(model, args.weights)
    tables = []
    for result in inferencer.iterate(args.scans):  # keeps one scan in memory at a time
        table = result.to_pandas()
        table.insert(0, 'scan', result.name)
        tables.append(table)
        for remark in result.remarks:  # units, axes and colours that were inferred
            print(f'{result.name}: {remark}')
    table = pd.concat(tables, ignore_index=True)
    table.to_csv(args.out, index=False)
    print(table.groupby('class')['points'].describe()[['count', 'mean', 'min', 'max']])


if __name__ == '__main__':
    main()
