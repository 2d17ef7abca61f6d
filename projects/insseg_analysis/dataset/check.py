# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Check the data of a config: the body of ``tools/check_dataset.py``."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from mmdet3d.registry import DATASETS
from mmengine.config import Config, ConfigDict
from tqdm import tqdm

from .expectations import Expectations, Finding, data_configs, expectations, model_findings
from .facts import SceneFacts, gather_facts
from .findings import find_problems
from .plots import save_distributions
from .report import class_statistics, class_table, class_tables, findings_text, summary_table


def check(
    config: Config, splits: Sequence[str], out: Path, *, limit: int | None, workers: int
) -> bool:
    """Print tables and findings, and write the statistics of the classes.

    Args:
        config: Config whose data are read through its own pipelines.
        splits: Some of train, val and test.
        out: Folder of ``distributions.png`` and ``class_statistics.json``.
        limit: Scenes of each split, at most; None: all.
        workers: Processes.

    Returns:
        Whether nothing was found that would spoil a training.

    Raises:
        ValueError: If none of the splits has data.
    """
    facts, statistics, findings = {}, {}, model_findings(config)
    wanted = data_configs(config, splits)
    if not wanted:
        raise ValueError(f'{config.filename}: none of {", ".join(splits)} has data')
    for split, data in wanted.items():
        found = _read_split(config, split, data, limit=limit, workers=workers)
        if isinstance(found, Finding):
            findings.append(found)
            continue
        facts[split], expected = found
        statistics[split] = class_statistics(facts[split], expected.classes)
        findings += find_problems(split, facts[split], expected)
    if not facts:
        print(findings_text(findings))
        return False
    print(summary_table(facts))
    print(class_table(statistics))
    print(findings_text(findings))
    save_distributions(out / 'distributions.png', facts, expected)
    first = next(iter(statistics))
    found = dict(
        split=first,
        scenes=len(facts[first]),
        classes=statistics[first],
        tables=class_tables(statistics[first]),
    )
    (out / 'class_statistics.json').write_text(json.dumps(found, indent=2))
    print(f'Written: {out / "distributions.png"}, {out / "class_statistics.json"}')
    return not any(finding.level == 'error' for finding in findings)


def _read_split(
    config: Config, split: str, data: ConfigDict, *, limit: int | None, workers: int
) -> tuple[list[SceneFacts], Expectations] | Finding:
    """Return the facts of a split's scenes, or a finding if its dataset cannot be built."""
    try:
        dataset = DATASETS.build(data)
    except (OSError, ValueError, KeyError) as error:
        print(f'{split}: the dataset cannot be built: {error}', file=sys.stderr)
        return Finding(
            'error',
            split,
            f'the dataset cannot be built: {error}',
            'Nothing of this split was looked at; run this again when it is mended',
        )
    expected = expectations(config, data, dataset, split)
    scenes = gather_facts(dataset, workers=workers, limit=limit)
    total = min(len(dataset), limit or len(dataset))
    return list(tqdm(scenes, total=total, desc=split, unit='scene')), expected
