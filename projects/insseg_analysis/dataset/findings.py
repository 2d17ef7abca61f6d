# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""What would spoil or harm a training, found in the facts of the scenes, each with a remedy."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from insseg3d.ops.upright import judge_up

from .facts import SceneFacts

_USUAL_VOXEL = 0.02  # metres
_TO_Z_UP = {
    'x': '(x, y, z) → (−z, y, x)',
    'y': '(x, y, z) → (x, −z, y)',
    '-x': '(x, y, z) → (z, y, −x)',
    '-y': '(x, y, z) → (x, z, −y)',
    '-z': '(x, y, z) → (x, −y, −z)',
}


class Finding(NamedTuple):
    """One thing that is wrong or strange.

    Attributes:
        level: 'error' (spoils a training), 'warning' (harms it or is suspicious), 'note'.
        split: where.
        what: what was found and what was expected.
        remedy: what to do.
    """

    level: str
    split: str
    what: str
    remedy: str


class Expectations(NamedTuple):
    """What a config expects of its data.

    Attributes:
        classes: names of the K classes.
        class_ids: stored semantic ids that may occur; None if any may.
        model_classes: K of the model, or None if it has none that could be found.
        num_queries: most objects that the model can find in a scene, or None.
        voxel_size: metres, or None.
        is_training: whether the split is trained on.
        drops_color: whether the pipeline has ``DropColor`` in it.
    """

    classes: Sequence[str]
    class_ids: frozenset[int] | None = None
    model_classes: int | None = None
    num_queries: int | None = None
    voxel_size: float | None = None
    is_training: bool = True
    drops_color: bool = False


Problem = tuple[str, str, str]
"""Level, what, remedy."""


def find_problems(
    split: str, scenes: Sequence[SceneFacts], expected: Expectations
) -> list[Finding]:
    """Judge the scenes of one split.

    Args:
        split: its name, for the findings.
        scenes: their facts.
        expected: what the config expects.

    Returns:
        Findings, errors first.
    """
    rules: tuple[Callable[..., Iterator[Problem]], ...] = (
        _stopped,
        _class_count,
        _unknown_ids,
        _units,
        _precision,
        _lost_digits,
        _up_axis,
        _density,
        _colors,
        _nothing_to_learn,
        _mixed_objects,
        _too_many_objects,
    )
    found = [
        Finding(level, split, what, remedy)
        for rule in rules
        for level, what, remedy in rule(scenes, expected)
    ]
    return sorted(found, key=lambda finding: ('error', 'warning', 'note').index(finding.level))


def _median(values: Sequence[float]) -> float:
    finite = [value for value in values if np.isfinite(value)]
    return float(np.median(finite)) if finite else np.nan


def _names(scenes: Sequence[SceneFacts]) -> str:
    """The first scenes of a list, and how many more there are."""
    text = ', '.join(scene.scene for scene in scenes[:3])
    return text + (f' and {len(scenes) - 3} more' if len(scenes) > 3 else '')


def _stopped(scenes, expected) -> Iterator[Problem]:
    if not scenes:
        yield 'error', 'no scenes', 'Look at ann_file: the info file lists none'
    for scene in scenes:
        if scene.error:
            yield (
                'error',
                f'{scene.scene} stops the pipeline: {scene.error}',
                'Mend the scene, or take it out of the split',
            )


def _class_count(scenes, expected) -> Iterator[Problem]:
    found, wanted = expected.model_classes, len(expected.classes)
    if found is not None and found != wanted:
        yield (
            'error',
            f'the model has num_classes={found}, the data set has {wanted} classes',
            f'Set num_classes={wanted} in the head, and class_weight to {wanted} + 1 values',
        )


def _unknown_ids(scenes, expected) -> Iterator[Problem]:
    if expected.class_ids is None:
        return
    for scene in scenes:
        unknown = sorted(set(scene.semantic_points or ()) - expected.class_ids)
        if unknown:
            known = f'{min(expected.class_ids)}..{max(expected.class_ids)}'
            yield (
                'error',
                f'{scene.scene} holds the semantic ids {unknown[:5]}, expected ids among {known}',
                'Convert the scene with the label set of this data set class',
            )


def _median_size(scenes) -> tuple[float, float]:
    """Height and length: the smallest and the largest extent, median over the scenes."""
    extents = [np.sort(scene.extent) for scene in scenes if scene.low is not None]
    smallest, _, largest = np.median(extents, axis=0) if extents else (np.nan,) * 3
    return smallest, largest


def _wrong_unit(scenes) -> tuple[str, float] | None:
    """The unit that the scenes seem to be in and its metres, or None if they can be metres."""
    height, _ = _median_size(scenes)
    # A storey is 2 to 5 m high; halls and stairwells stay below 50.
    if height > 1000:
        return 'millimetres', 0.001
    return ('centimetres', 0.01) if height > 100 else None


def _units(scenes, expected) -> Iterator[Problem]:
    height, length = _median_size(scenes)
    size = f'half of the scenes are longer than {length:.4g} and higher than {height:.4g}'
    unit = _wrong_unit(scenes)
    if unit:
        yield (
            'error',
            f'{size}: that looks like {unit[0]}, expected metres',
            f'Multiply the coordinates by {unit[1]:g} and convert again',
        )
    elif length < 1.5:
        yield (
            'warning',
            f'{size}: smaller than any room; were the scans normalised?',
            'Take the coordinates in metres, as they were measured',
        )


def _precision(scenes, expected) -> Iterator[Problem]:
    far = [
        scene
        for scene in scenes
        if scene.low is not None
        and np.spacing(np.float32(max(-scene.low.min(), scene.high.max()))) > 1e-3
    ]
    if far:
        reach = max(max(-scene.low.min(), scene.high.max()) for scene in far)
        step = np.spacing(np.float32(reach))
        yield (
            'error',
            f'coordinates reach {reach:.0f}, where float32 knows steps of '
            f'{step:.2g} only: {_names(far)}',
            "Subtract each scene's minimum in float64, then convert again",
        )


def _lost_digits(scenes, expected) -> Iterator[Problem]:
    limit = (expected.voxel_size or _USUAL_VOXEL) / 2
    lost = [scene for scene in scenes if scene.steps is not None and scene.steps.max() > limit]
    if lost:
        worst = max(lost, key=lambda scene: scene.steps.max()).steps
        step, axis = worst.max(), 'xyz'[int(worst.argmax())]
        yield (
            'error',
            f'points lie in planes {step:.2g} apart along {axis}, voxels measure '
            f'{expected.voxel_size or _USUAL_VOXEL:g}: {_names(lost)}',
            'Digits were lost before the conversion: export the scans as double, or subtract an '
            'offset before they are exported',
        )


def _up_axis(scenes, expected) -> Iterator[Problem]:
    read = [scene for scene in scenes if scene.up is not None]
    if not read:
        return
    # Scenes of a data set mostly agree, and all together leave less doubt than each.
    together = judge_up(np.mean([scene.up for scene in read], axis=0)).up
    ways = [judge_up(scene.up).up if together == 'z' else together for scene in read]
    for up, turn in _TO_Z_UP.items():
        lying = [scene for scene, way in zip(read, ways) if way == up]
        if lying:
            yield (
                'warning',
                f'{up} seems to point upwards, by floor and furniture, in '
                f'{len(lying)} of {len(scenes)} scenes: {_names(lying)}',
                f'Augmentation rotates about z: turn the scans, {turn}, and convert again',
            )


def _density(scenes, expected) -> Iterator[Problem]:
    spacing, voxel = _median([scene.spacing for scene in scenes]), expected.voxel_size
    if voxel is not None and np.isfinite(spacing) and not _wrong_unit(scenes):
        found = f'the median spacing of points is {spacing:.4g}, the voxel size {voxel:g}'
        if spacing > 4 * voxel:
            yield (
                'error',
                f'{found}: most voxels have no neighbour, and a convolution sees single points',
                f'Take voxels of about {1.5 * spacing:.2g}',
            )
        elif spacing > 1.5 * voxel:
            yield (
                'warning',
                f'{found}: voxels have few neighbours',
                f'Take voxels of about {1.5 * spacing:.2g}',
            )
        elif spacing < voxel / 15:
            yield (
                'warning',
                f'{found}: detail is thrown away',
                f'Take smaller voxels, down to {3 * spacing:.2g}, if memory allows',
            )
    copies = _median([scene.duplicates for scene in scenes])
    if copies > 0.5:
        yield (
            'note',
            f'{copies:.0%} of the points lie where another one lies',
            'Remove the copies when converting: they cost memory and change no voxel',
        )


def _is_empty(scene: SceneFacts) -> bool:
    return scene.one_color or scene.colors[0] == scene.colors[1]


def _colors(scenes, expected) -> Iterator[Problem]:
    colored = [scene for scene in scenes if scene.colors is not None]
    empty = [scene for scene in colored if _is_empty(scene)]
    if empty and len(empty) == len(colored) and not expected.drops_color:
        values = {scene.colors for scene in empty}
        low, high = min(low for low, _ in values), max(high for _, high in values)
        found = f'all colours are {low:g}' if low == high else 'each scene has a single colour'
        yield (
            'warning',
            found,
            "The scans seem to have none: put dict(type='DropColor', prob=1.0) into the pipelines",
        )
    elif empty and len(empty) < len(colored):
        yield (
            'note' if expected.drops_color else 'warning',
            f'{len(empty)} of {len(colored)} '
            f'scenes have a single colour, which is as good as none: {_names(empty)}',
            "Store grey (127.5) there, and put dict(type='DropColor', prob=0.5) into the "
            'training pipeline, so that the model knows both kinds',
        )
    rest = [scene for scene in colored if not _is_empty(scene)]
    for wrong, remedy in (
        (
            [
                scene
                for scene in rest
                if scene.fractions or 0 <= scene.colors[0] and scene.colors[1] <= 1
            ],
            'Multiply them by 255 and convert again',
        ),
        (
            [
                scene
                for scene in rest
                if not (scene.colors[0] >= 0 and scene.colors[1] <= 255) and not scene.fractions
            ],
            'Scale them and convert again',
        ),
    ):
        if wrong:
            low, high = min(s.colors[0] for s in wrong), max(s.colors[1] for s in wrong)
            yield (
                'error',
                f'colours span {low:.7g} to {high:.7g}, expected 0..255: {_names(wrong)}',
                remedy,
            )


def _nothing_to_learn(scenes, expected) -> Iterator[Problem]:
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
            'Compare them with the ids of the data set class: these are of another label set, '
            'or the instance ids are all 0',
        )
        return
    empty = [scene for scene in annotated if len(scene.objects.labels) == 0]
    if empty:
        yield (
            'warning',
            f'{len(empty)} of {len(scenes)} scenes hold no object: {_names(empty)}',
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
    unlabelled = _median([scene.unlabelled for scene in annotated])
    if unlabelled > 0.9:
        yield (
            'warning',
            f'half of the scenes have no class on {unlabelled:.0%} of their points',
            'Look whether labels were lost in the conversion',
        )


def _mixed_objects(scenes, expected) -> Iterator[Problem]:
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
            f'{total} objects have points of more than one class: {_names(where)}',
            'They get the class of most of their points; check that instance ids are not '
            'repeated from class to class',
        )


def _too_many_objects(scenes, expected) -> Iterator[Problem]:
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
            f'{expected.num_queries}; the most is {most}: {_names(crowded)}',
            f'Set num_queries to {most} or more; what is beyond cannot be found',
        )
