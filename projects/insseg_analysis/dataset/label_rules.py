# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Rules that judge scenes and their labels: classes, ids and objects."""

from collections.abc import Iterator, Sequence

import numpy as np

from .expectations import Expectations, Problem, median, names
from .facts import SceneFacts


def stopped(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Report scenes that stop the pipeline."""
    if not scenes:
        yield 'error', 'no scenes', 'Look at ann_file: the info file lists none'
    for scene in scenes:
        if scene.error:
            yield (
                'error',
                f'{scene.scene} stops the pipeline: {scene.error}',
                'Mend the scene, or take it out of the split',
            )


def class_count(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Compare the numbers of classes of model and data."""
    found, wanted = expected.model_classes, len(expected.classes)
    if found is not None and found != wanted:
        yield (
            'error',
            f'the model has num_classes={found}, the dataset has {wanted} classes',
            f'Set num_classes={wanted} in the head, and class_weight to {wanted} + 1 values',
        )


def unknown_ids(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Report semantic ids that the dataset class does not have."""
    if expected.class_ids is None:
        return
    for scene in scenes:
        unknown = sorted(set(scene.semantic_points or ()) - expected.class_ids)
        if unknown:
            known = f'{min(expected.class_ids)}..{max(expected.class_ids)}'
            yield (
                'error',
                f'{scene.scene} holds the semantic ids {unknown[:5]}, expected ids among {known}',
                'Convert the scene with the label set of this dataset class',
            )


def nothing_to_learn(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Report scenes and classes without objects."""
    annotated = [scene for scene in scenes if scene.objects is not None]
    if len(annotated) < len([scene for scene in scenes if scene.error is None]):
        level = 'error' if expected.is_training else 'note'
        yield (
            level,
            f'{len(scenes) - len(annotated)} of {len(scenes)} scenes have no annotation',
            'A training needs one of every scene; a test can do without scores',
        )
    if not annotated:
        return
    level = 'error' if expected.is_training else 'warning'
    counts = np.zeros(len(expected.classes), dtype=np.int64)
    for scene in annotated:
        counts += np.bincount(scene.objects.labels, minlength=len(counts))[: len(counts)]
    if counts.sum() == 0:
        ids = sorted(set().union(*(scene.semantic_points or () for scene in annotated)))
        yield (
            level,
            f'not one object of a class; the stored semantic ids are {ids[:20]}',
            'Compare them with the ids of the dataset class: these are of another label set, '
            'or the instance ids are all 0',
        )
        return
    empty = [scene for scene in annotated if len(scene.objects.labels) == 0]
    if empty:
        yield (
            'warning',
            f'{len(empty)} of {len(scenes)} scenes hold no object: {names(empty)}',
            'Harmless in small numbers; look whether they should hold some',
        )
    absent = [name for name, count in zip(expected.classes, counts) if not count]
    if absent:
        level = 'warning' if expected.is_training else 'note'
        yield (
            level,
            f'{len(absent)} of {len(counts)} classes have no object: '
            f'{", ".join(absent[:8])}{", …" if len(absent) > 8 else ""}',
            'They cannot be learned here' if expected.is_training else 'They get no score here',
        )
    unlabelled = median([scene.unlabelled for scene in annotated])
    if unlabelled > 0.9:
        yield (
            'warning',
            f'half of the scenes have no class on {unlabelled:.0%} of their points',
            'Look whether labels were lost in the conversion',
        )


def mixed_objects(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Report objects of several classes."""
    mixed = [
        (scene, int((scene.objects.num_classes > 1).sum()))
        for scene in scenes
        if scene.objects is not None
    ]
    total = sum(count for _, count in mixed)
    if total:
        where = [scene for scene, count in mixed if count]
        yield (
            'warning',
            f'{total} objects have points of more than one class: {names(where)}',
            'They get the class of most of their points; check that instance ids are not '
            'repeated from class to class',
        )


def too_many_objects(scenes: Sequence[SceneFacts], expected: Expectations) -> Iterator[Problem]:
    """Report scenes with more objects than queries."""
    if expected.num_queries is None:
        return
    crowded = [
        scene
        for scene in scenes
        if scene.objects is not None and len(scene.objects.labels) > expected.num_queries
    ]
    if crowded:
        most = max(len(scene.objects.labels) for scene in crowded)
        yield (
            'warning',
            f'{len(crowded)} scenes hold more objects than the model has queries, '
            f'{expected.num_queries}; the most is {most}: {names(crowded)}',
            f'Set num_queries to {most} or more; what is beyond cannot be found',
        )
