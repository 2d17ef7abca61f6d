# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Predicted masks in the benchmark's text format, or in ``.npz`` files.

Text: ``<scene>.txt`` with lines ``path/of/mask.txt label_id confidence``; a mask file has one
integer per line and point, 0 = outside. ``.npz``: ``<scene>.npz`` with ``masks`` (Q, P) bool, or
``packed_masks`` (Q, ⌈P/8⌉) uint8 and ``num_points``; ``label_ids`` (Q,); ``scores`` (Q,).

Source: ScanNet's benchmark documentation of 3D semantic instance submissions.
"""

import io
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .files import ExchangeError, LabelSet, Source, inner_path, integer_lines

MASK_FOLDER = 'predicted_masks'


class Predictions(NamedTuple):
    """The predictions of a scene.

    Attributes:
        masks: ``(Q, P)`` bool; may overlap.
        labels: ``(Q,)`` int64 class index.
        scores: ``(Q,)`` float64, finite.
    """

    masks: np.ndarray
    labels: np.ndarray
    scores: np.ndarray


def scene_names(source: Source) -> list[str]:
    """List the scenes with predictions (or ground truth) in a folder or archive.

    Raises:
        ExchangeError: A scene occurs twice, as text and as ``.npz``.
    """
    tops = [name for name in source.names() if '/' not in name and name[-4:] in ('.txt', '.npz')]
    names = [name[:-4] for name in tops]
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise ExchangeError(str(source.path), f'{twice[0]} twice', 'every scene once')
    return sorted(names)


def write_predictions(
    write: Callable[[str, bytes], None], scene: str, predictions: Predictions, label_set: LabelSet
) -> None:
    """Write a scene in the text format.

    Args:
        write: Function that writes a file, given its relative path and its content.
        scene: Name of the scene.
        predictions: Predictions of the scene.
        label_set: Ids of the classes.
    """
    lines = []
    digits = len(str(max(len(predictions.masks) - 1, 0)))
    for k, mask in enumerate(predictions.masks):
        path = f'{MASK_FOLDER}/{scene}_{k:0{digits}d}.txt'
        content = np.full((len(mask), 2), 10, dtype=np.uint8)
        content[:, 0] = 48 + mask.astype(bool)
        write(path, content.tobytes())
        # repr returns the shortest decimal that reads back as the same number.
        score = repr(float(predictions.scores[k]))
        lines.append(f'{path} {label_set.ids[predictions.labels[k]]} {score}\n')
    write(f'{scene}.txt', ''.join(lines).encode('ascii'))


def read_predictions(
    source: Source, scene: str, label_set: LabelSet, num_points: int | None = None
) -> Predictions:
    """Read the predictions of a scene.

    Args:
        source: Folder or archive with ``<scene>.txt`` or ``<scene>.npz``.
        scene: Name of the scene.
        label_set: Ids of the classes.
        num_points: P; None takes that of the first mask.

    Raises:
        ExchangeError: A file cannot be used. The message names the file and the line.
    """
    names = source.names()
    if f'{scene}.npz' in names:
        return _read_npz(source, f'{scene}.npz', label_set, num_points)
    if f'{scene}.txt' not in names:
        raise ExchangeError(
            f'{source.path}/{scene}.txt', 'no such file', 'the predictions of every scene'
        )
    masks, labels, scores = [], [], []
    for where, path, label, score in _read_list(source, scene, label_set):
        try:
            content = source.read(path)
        except KeyError:
            raise ExchangeError(where, f'no mask file {path[:200]!r}', 'this file') from None
        mask = integer_lines(content, f'{source.path}/{path}') != 0
        if num_points is None:
            num_points = len(mask)
        _check_length(f'{source.path}/{path}', len(mask), num_points)
        masks.append(mask)
        labels.append(label)
        scores.append(score)
    return Predictions(
        np.array(masks, dtype=bool).reshape(len(masks), num_points or 0),
        np.array(labels, dtype=np.int64),
        np.array(scores, dtype=np.float64),
    )


def _read_list(
    source: Source, scene: str, label_set: LabelSet
) -> Iterator[tuple[str, str, int, float]]:
    """Yield file and line for messages, path, class index and score of each line."""
    known = {label_id: label for label, label_id in enumerate(label_set.ids)}
    try:
        text = source.read(f'{scene}.txt').decode('utf-8', errors='replace')
    except KeyError as error:
        raise ExchangeError(
            f'{source.path}/{scene}.txt', f'cannot be read ({error})', 'a readable file'
        ) from None
    for number, line in enumerate(text.splitlines(), start=1):
        where = f'{source.path}/{scene}.txt:{number}'
        words = line.split()
        if not words:
            continue
        if len(words) != 3:
            raise ExchangeError(where, f'{line[:60]!r}', 'path, label id and confidence')
        path = inner_path(where, words[0])
        try:
            label_id, score = int(words[1]), float(words[2])
        except ValueError:
            raise ExchangeError(
                where, f'{words[1][:40]!r} and {words[2][:40]!r}', 'an integer and a number'
            ) from None
        if label_id not in known:
            raise ExchangeError(where, f'label id {words[1][:40]}', f'one of {sorted(known)[:20]}…')
        if not np.isfinite(score):
            raise ExchangeError(where, f'confidence {words[2][:40]}', 'a finite number')
        yield where, path, known[label_id], score


def _check_length(where: str, found: int, expected: int) -> None:
    if found != expected:
        raise ExchangeError(
            where, f'a mask of {found} points', f'{expected}, one entry for each point of the file'
        )


def _read_npz(
    source: Source, name: str, label_set: LabelSet, num_points: int | None
) -> Predictions:
    where = f'{source.path}/{name}'
    try:
        with np.load(io.BytesIO(source.read(name)), allow_pickle=False) as file:
            # numpy returns members that are not arrays as bytes.
            arrays = {key: value for key, value in file.items() if isinstance(value, np.ndarray)}
        ids = _integers('label_ids', arrays['label_ids'])
        scores = _numbers('scores', arrays['scores'])
        given = arrays['packed_masks' if 'packed_masks' in arrays else 'masks']
        packed = 'packed_masks' in arrays
        count = int(_integers('num_points', arrays['num_points'])) if packed else None
    except Exception as error:  # a damaged archive raises errors of many classes
        raise ExchangeError(
            where,
            f'not readable ({str(error)[:160]})',
            'masks or packed_masks and num_points, label_ids, scores',
        ) from None
    masks = _whole_masks(given, where) if count is None else _unpacked(given, count, where)
    if masks.ndim != 2 or ids.shape != (len(masks),) or scores.shape != (len(masks),):
        raise ExchangeError(
            where,
            f'masks {masks.shape}, label_ids {ids.shape}, scores {scores.shape}',
            '(Q, P), (Q,), (Q,)',
        )
    _check_length(where, masks.shape[1], masks.shape[1] if num_points is None else num_points)
    labels = label_set.labels(ids)
    unknown = ids[labels == len(label_set.ids)]
    if len(unknown):
        raise ExchangeError(where, f'label id {unknown[0]}', f'one of {label_set.ids[:20]}…')
    if not np.isfinite(scores).all():
        raise ExchangeError(where, f'score {scores[~np.isfinite(scores)][0]}', 'finite numbers')
    return Predictions(masks, labels, scores)


def _numbers(name: str, given: np.ndarray) -> np.ndarray:
    """Convert real numbers, which may be written as text, to float64."""
    if given.dtype.kind not in 'biufSU':
        raise ValueError(f'{name} of {given.dtype}')
    return given.astype(np.float64)


def _integers(name: str, given: np.ndarray) -> np.ndarray:
    """Convert whole numbers of any type to int64; reject fractions, which would be truncated."""
    if given.dtype.kind in 'bSU' or given.dtype.kind in 'iu' and given.dtype != np.uint64:
        return given.astype(np.int64)
    numbers = _numbers(name, given)
    strange = numbers[~(np.abs(numbers) < 2**63) | (numbers != np.round(numbers))]  # and NaN
    if strange.size:
        raise ValueError(f'{name} such as {strange[0]:g}')
    return given.astype(np.int64)


def _check_list(source: Source, scene: str) -> None:
    """Reject lines that the benchmark's own reader would misread.

    That reader splits lines at every single blank, and keeps only the last line for a mask file.

    Source: ScanNet, BenchmarkScripts/util_3d.py, ``read_instance_prediction_file``.
    """
    if f'{scene}.txt' not in source.names():
        return
    lines: dict[str, int] = {}
    text = source.read(f'{scene}.txt').decode('utf-8', errors='replace')
    for number, line in enumerate(text.splitlines(), start=1):
        where = f'{source.path}/{scene}.txt:{number}'
        words = line.split()
        if line.split(' ') != words or len(words) != 3:
            raise ExchangeError(
                where, f'{line[:60]!r}', 'path, label id, confidence, with single blanks between'
            )
        first = lines.setdefault(inner_path(where, words[0]), number)
        if first != number:
            raise ExchangeError(
                where,
                f'the mask {words[0][:200]!r} of line {first} again',
                'a mask file for each line',
            )


def _whole_masks(given: np.ndarray, where: str) -> np.ndarray:
    """Convert masks to bool; reject probabilities, almost all of which would count as inside."""
    if given.dtype.kind not in 'biuf':
        raise ExchangeError(where, f'masks of {given.dtype}', 'bool')
    if given.dtype.kind == 'f' and not np.isin(given, (0, 1)).all():
        strange = given[~np.isin(given, (0, 1))][0]
        raise ExchangeError(where, f'the value {strange:g} in masks', 'bool, or 0 and 1')
    return given != 0


def _unpacked(given: np.ndarray, count: int, where: str) -> np.ndarray:
    """Unpack masks of bits; reject missing bytes, which numpy would fill with zeros."""
    width = -(-count // 8)
    if count < 0 or given.dtype != np.uint8 or given.ndim != 2 or given.shape[1] != width:
        raise ExchangeError(
            where,
            f'packed_masks {given.shape} {given.dtype}',
            f'(Q, {width}) uint8, eight of {count} points per byte',
        )
    return np.unpackbits(given, axis=1, count=count).astype(bool)


def check_predictions(
    source: Source,
    num_points: dict[str, int],
    label_set: LabelSet,
    *,
    most_bytes: int | None = None,
) -> list[str]:
    """Find everything in a submission that a benchmark would reject.

    Args:
        source: The submission.
        num_points: Number of points of each scene; exactly these scenes must be in the submission.
        label_set: Ids of the classes.
        most_bytes: Largest size of the archive; None for no limit.

    Returns:
        The faults, one sentence each; empty if there are none.
    """
    faults = []
    try:
        found = scene_names(source)
    except ExchangeError as error:
        return [str(error)]
    missing = sorted(set(num_points) - set(found))
    extra = sorted(set(found) - set(num_points))
    if missing:
        faults.append(f'{len(missing)} scenes are missing: {", ".join(missing[:5])}')
    if extra:
        faults.append(f'{len(extra)} scenes do not belong here: {", ".join(extra[:5])}')
    for name in source.names():
        try:
            inner_path(str(source.path), name)
        except ExchangeError as error:
            faults.append(str(error))
    for scene in sorted(set(found) & set(num_points)):
        try:
            read_predictions(source, scene, label_set, num_points[scene])
            _check_list(source, scene)
        except ExchangeError as error:
            faults.append(str(error))
    size = source.path.stat().st_size if source.path.is_file() else 0
    if most_bytes is not None and size > most_bytes:
        faults.append(f'{source.path}: {size} bytes; expected at most {most_bytes}')
    return faults
