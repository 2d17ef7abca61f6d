# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Compiled CPU kernels of the sparse convolution, run on torch's own thread pool.

Both kernels walk a pair table in blocks that stay in the cache, and multiply a few gathered rows
at a time by a tile of the weight; no gathered copy of the features is made.

* ``convolve``: out[q] += x[p] @ W[d] over the pairs (p, q) of all offsets d. A task is a block of
  output rows, so tasks share no output and each sum has a fixed order.
* ``correlate``: G[d] += dy[q] (outer) x[p], the gradient of the weight. A task is an offset and a
  span of output channels.

:mod:`insseg3d.ops.native` runs the kernels and explains why the result does not depend on the
number of threads.

Legend: addresses and strides are in bytes, offsets d run over the cells of the convolution
kernel, and tiles are those of :mod:`insseg3d.ops.sparse.tiles`.
"""

from numba import njit

from .primitives import int32_at, int64_at, pointer_like, take
from .tiles import ROWS, VECTOR_BYTES, lanes, make_gather_tile, make_outer_tile

CHUNK = 256  # pairs whose rows stay in the cache during a task of ``correlate``

# The last argument of a tile is a zero of type float32 or float64, which determines the type of
# the tile. The tiles are made here, once, because numba finds a kernel in its disk cache only if
# the kernel's closure contains nothing but plain numbers.
_gather1, _gather2, _gather3 = (make_gather_tile(vectors) for vectors in (1, 2, 3))
_outer1, _outer2, _outer3 = (make_outer_tile(vectors) for vectors in (1, 2, 3))


@njit(inline='always')
def _start(out, out_stride, init, first_row, stop_row, first, stop, zero):
    """Fill columns ``first`` to ``stop`` of some output rows with ``init``, or with zeros."""
    for row in range(first_row, stop_row):
        row_out = pointer_like(out + row * out_stride, zero)
        if init == 0:
            for j in range(first, stop):
                row_out[j] = zero
        else:
            source = pointer_like(init + row * out_stride, zero)
            for j in range(first, stop):
                row_out[j] = source[j]


@njit(inline='always')
def _gather(x, x_stride, ins, depth, w, w_stride, out, out_stride, outs, num, vectors, zero):
    """Apply gather tiles side by side until ``vectors`` vectors of columns are done."""
    v = 0
    while v < vectors:
        tile, target = w + v * VECTOR_BYTES, out + v * VECTOR_BYTES
        left = vectors - v
        if left == 3 or left > 4:
            _gather3(x, x_stride, ins, depth, tile, w_stride, target, out_stride, outs, num, zero)
            v += 3
        elif left >= 2:
            _gather2(x, x_stride, ins, depth, tile, w_stride, target, out_stride, outs, num, zero)
            v += 2
        else:
            _gather1(x, x_stride, ins, depth, tile, w_stride, target, out_stride, outs, num, zero)
            v += 1


@njit(inline='always')
def _outer(y, y_stride, outs, x, x_stride, ins, num, g, g_stride, height, vectors, zero):
    """Apply outer tiles side by side until ``vectors`` vectors of columns are done."""
    v = 0
    while v < vectors:
        values, target = x + v * VECTOR_BYTES, g + v * VECTOR_BYTES
        left = vectors - v
        if left == 3 or left > 4:
            _outer3(y, y_stride, outs, values, x_stride, ins, num, target, g_stride, height, zero)
            v += 3
        elif left >= 2:
            _outer2(y, y_stride, outs, values, x_stride, ins, num, target, g_stride, height, zero)
            v += 2
        else:
            _outer1(y, y_stride, outs, values, x_stride, ins, num, target, g_stride, height, zero)
            v += 1


def make_convolve(number):
    """Make the kernel ``convolve`` for numpy's float32 or float64.

    Arguments: 0 counter, 1 blocks, 2 rows per block, 3 groups of columns, 4 vectors per group,
    5 vectors in total, 6 x, 7 its stride, 8 input channels, 9 w, 10 stride of an offset, 11 stride
    of an input channel, 12 out, 13 its stride, 14 initial values (0: zeros), 15 output rows,
    16 offsets, 17 row lists, 18 and 19 starts of input and output lists, 20 bounds of the blocks
    in the lists, (blocks + 1, offsets).
    """
    zero = number(0)
    width = lanes(zero.itemsize)

    def convolve(a):
        blocks, block, groups, group, vectors = a[1], a[2], a[3], a[4], a[5]
        x, x_stride, depth, w, w_offset, w_stride = a[6], a[7], a[8], a[9], a[10], a[11]
        out, out_stride, init, num_out, offsets, lists = a[12], a[13], a[14], a[15], a[16], a[17]
        in_start, out_start = int64_at(a[18]), int64_at(a[19])
        bounds = int32_at(a[20])
        task = take(a)
        while task < blocks * groups:
            b = task // groups
            first = (task - b * groups) * group
            stop = min(first + group, vectors)
            stop_row = min((b + 1) * block, num_out)
            _start(out, out_stride, init, b * block, stop_row, first * width, stop * width, zero)
            shift = first * VECTOR_BYTES
            for d in range(offsets):
                pair, end = bounds[b * offsets + d], bounds[(b + 1) * offsets + d]
                in_rows, out_rows = lists + in_start[d] * 4, lists + out_start[d] * 4
                while pair < end:
                    _gather(
                        x,
                        x_stride,
                        in_rows + pair * 4,
                        depth,
                        w + d * w_offset + shift,
                        w_stride,
                        out + shift,
                        out_stride,
                        out_rows + pair * 4,
                        min(end - pair, ROWS),
                        stop - first,
                        zero,
                    )
                    pair += ROWS
            task = take(a)

    return convolve


def make_correlate(number):
    """Make the kernel ``correlate`` for numpy's float32 or float64.

    Arguments: 0 counter, 1 offsets, 2 spans of output channels, 3 channels per span, 4 output
    channels, 5 vectors of input channels, 6 x, 7 its stride, 8 y (the gradient of the output),
    9 its stride, 10 g, 11 stride of an offset, 12 stride of an output channel, 13 row lists,
    14 and 15 starts of input and output lists, 16 pairs of each offset, 17 order of the offsets.
    """
    zero = number(0)
    itemsize = zero.itemsize

    def correlate(a):
        offsets, spans, span, channels, vectors = a[1], a[2], a[3], a[4], a[5]
        x, x_stride, y, y_stride = a[6], a[7], a[8], a[9]
        g, g_offset, g_stride, lists = a[10], a[11], a[12], a[13]
        in_start, out_start = int64_at(a[14]), int64_at(a[15])
        count, order = int64_at(a[16]), int64_at(a[17])
        task = take(a)
        while task < offsets * spans:
            d = order[task // spans]
            low = (task % spans) * span
            high = min(low + span, channels)
            in_rows, out_rows = lists + in_start[d] * 4, lists + out_start[d] * 4
            for pair in range(0, count[d], CHUNK):
                num = min(count[d] - pair, CHUNK)
                for channel in range(low, high, ROWS):
                    _outer(
                        y + channel * itemsize,
                        y_stride,
                        out_rows + pair * 4,
                        x,
                        x_stride,
                        in_rows + pair * 4,
                        num,
                        g + d * g_offset + channel * g_stride,
                        g_stride,
                        min(high - channel, ROWS),
                        vectors,
                        zero,
                    )
            task = take(a)

    return correlate
