# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Compiled CPU kernels of the sparse convolution, run on torch's own thread pool.

Two kernels do all the work. Both walk a pair table in blocks that stay in the cache and multiply
a few gathered rows at a time by a tile of the weight, so that nothing is copied together first:

* ``convolve``: out[q] += x[p] @ W[d] over the pairs (p, q) of all offsets d. A task is a block of
  output rows, so that tasks share no output and every sum has one order.
* ``correlate``: G[d] += dy[q] (outer) x[p], the weight's gradient. A task is an offset and a tile
  of output channels.

How they are run, and why any number of threads gives the same result: :mod:`native`.

Legend: addresses and strides are in bytes, ``lanes`` numbers make a vector, a tile is 1 to 3
vectors wide and ``ROWS`` rows high, offsets d run over the kernel's cells.
"""

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .primitives import int32_at, int64_at, pointer_like, take

_I64 = ir.IntType(64)
_WIDE = bool(binding.get_host_cpu_features().get('avx512f', False))
# Accumulators are ROWS x 3 vectors: 24 of the 32 registers of AVX-512, 12 of the 16 of AVX2.
ROWS = 8 if _WIDE else 4
_VECTOR_BYTES = 64 if _WIDE else 32
CHUNK = 256  # pairs whose rows a weight-gradient task keeps in the cache


def lanes(itemsize: int) -> int:
    """Numbers per vector."""
    return _VECTOR_BYTES // itemsize


class _Emitter:
    """The few LLVM instructions that the tiles are made of."""

    def __init__(self, builder, number):
        self.builder = builder
        self.scalar = ir.FloatType() if number is types.float32 else ir.DoubleType()
        self.itemsize = 4 if number is types.float32 else 8
        self.width = width = lanes(self.itemsize)
        self.vector = ir.VectorType(self.scalar, width)
        name = f'llvm.fmuladd.v{width}f{self.itemsize * 8}'
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        self.fma = cgutils.get_or_insert_function(builder.module, kind, name)

    def at(self, address, offset: int, kind):
        address = self.builder.add(address, _I64(offset))
        return self.builder.inttoptr(address, ir.PointerType(kind))

    def load(self, address, index: int = 0):
        pointer = self.at(address, index * self.width * self.itemsize, self.vector)
        return self.builder.load(pointer, align=self.itemsize, typ=self.vector)

    def store(self, value, address, index: int = 0):
        pointer = self.at(address, index * self.width * self.itemsize, self.vector)
        self.builder.store(value, pointer, align=self.itemsize)

    def splat(self, address):
        value = self.builder.load(self.at(address, 0, self.scalar), typ=self.scalar)
        value = self.builder.insert_element(self.vector(ir.Undefined), value, ir.IntType(32)(0))
        mask = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        return self.builder.shuffle_vector(value, self.vector(ir.Undefined), mask)

    def row(self, base, stride, list_address, index):
        """Address of the row that a list of int32 rows names at an index."""
        address = self.builder.add(list_address, self.builder.mul(index, _I64(4)))
        number = self.builder.load(self.at(address, 0, ir.IntType(32)), typ=ir.IntType(32))
        return self.builder.add(base, self.builder.mul(self.builder.zext(number, _I64), stride))

    def loop(self, count, states, body):
        """for i in range(count): states = body(i, states); returns the last states."""
        builder = self.builder
        before = builder.block
        head = builder.append_basic_block('head')
        done = builder.append_basic_block('done')
        builder.cbranch(builder.icmp_signed('>', count, _I64(0)), head, done)
        builder.position_at_end(head)
        i = builder.phi(_I64)
        i.add_incoming(_I64(0), before)
        phis = []
        for state in states:
            phi = builder.phi(self.vector)
            phi.add_incoming(state, before)
            phis.append(phi)
        new = body(i, phis)
        following = builder.add(i, _I64(1))
        i.add_incoming(following, builder.block)
        for phi, value in zip(phis, new):
            phi.add_incoming(value, builder.block)
        last = builder.block
        builder.cbranch(builder.icmp_signed('<', following, count), head, done)
        builder.position_at_end(done)
        results = []
        for state, value in zip(states, new):
            phi = builder.phi(self.vector)
            phi.add_incoming(state, before)
            phi.add_incoming(value, last)
            results.append(phi)
        return results


def _make_gather_tile(vectors: int):
    """out[out_rows[r], tile] += x[in_rows[r], :] @ w[:, tile] for r < num <= ROWS."""

    @intrinsic
    def tile(
        typingctx, x, x_stride, in_rows, depth, w, w_stride, out, out_stride, out_rows, num, zero
    ):
        signature = types.void(*[types.int64] * 10, zero)

        def codegen(context, builder, signature, args):
            x, x_stride, in_rows, depth, w, w_stride, out, out_stride, out_rows, num = args[:10]
            emit = _Emitter(builder, zero)
            last = builder.sub(num, _I64(1))
            rows = []
            for r in range(ROWS):  # beyond the last row: compute it again, do not store it
                inside = builder.icmp_signed('<', _I64(r), num)
                rows.append(emit.row(x, x_stride, in_rows, builder.select(inside, _I64(r), last)))

            def step(k, sums):
                weights_at = builder.add(w, builder.mul(k, w_stride))
                weights = [emit.load(weights_at, v) for v in range(vectors)]
                shift, new = builder.mul(k, _I64(emit.itemsize)), []
                for r in range(ROWS):
                    value = emit.splat(builder.add(rows[r], shift))
                    for v in range(vectors):
                        new.append(
                            builder.call(emit.fma, [value, weights[v], sums[r * vectors + v]])
                        )
                return new

            nothing = ir.Constant(emit.vector, None)
            sums = emit.loop(depth, [nothing] * (ROWS * vectors), step)
            for r in range(ROWS):
                with builder.if_then(builder.icmp_signed('<', _I64(r), num)):
                    target = emit.row(out, out_stride, out_rows, _I64(r))
                    for v in range(vectors):
                        emit.store(
                            builder.fadd(emit.load(target, v), sums[r * vectors + v]), target, v
                        )
            return context.get_dummy_value()

        return signature, codegen

    return tile


def _make_outer_tile(vectors: int):
    """g[r, tile] += sum over n < num of y[y_rows[n], r] * x[x_rows[n], tile], r < ROWS.

    Rows r >= height repeat the last one and are not stored.
    """

    @intrinsic
    def tile(typingctx, y, y_stride, y_rows, x, x_stride, x_rows, num, g, g_stride, height, zero):
        signature = types.void(*[types.int64] * 10, zero)

        def codegen(context, builder, signature, args):
            y, y_stride, y_rows, x, x_stride, x_rows, num, g, g_stride, height = args[:10]
            emit = _Emitter(builder, zero)
            last = builder.sub(height, _I64(1))
            shifts = []
            for r in range(ROWS):
                inside = builder.icmp_signed('<', _I64(r), height)
                shifts.append(
                    builder.mul(builder.select(inside, _I64(r), last), _I64(emit.itemsize))
                )

            def step(n, sums):
                row = emit.row(x, x_stride, x_rows, n)
                values = [emit.load(row, v) for v in range(vectors)]
                factors_at, new = emit.row(y, y_stride, y_rows, n), []
                for r in range(ROWS):
                    factor = emit.splat(builder.add(factors_at, shifts[r]))
                    for v in range(vectors):
                        new.append(
                            builder.call(emit.fma, [factor, values[v], sums[r * vectors + v]])
                        )
                return new

            nothing = ir.Constant(emit.vector, None)
            sums = emit.loop(num, [nothing] * (ROWS * vectors), step)
            for r in range(ROWS):
                with builder.if_then(builder.icmp_signed('<', _I64(r), height)):
                    target = builder.add(g, builder.mul(g_stride, _I64(r)))
                    for v in range(vectors):
                        emit.store(
                            builder.fadd(emit.load(target, v), sums[r * vectors + v]), target, v
                        )
            return context.get_dummy_value()

        return signature, codegen

    return tile


# The last argument of a tile is a zero whose type says float32 or float64. The tiles are made here,
# once: numba finds a kernel on its disk cache again only if its closure holds plain numbers.
_gather1, _gather2, _gather3 = (_make_gather_tile(vectors) for vectors in (1, 2, 3))
_outer1, _outer2, _outer3 = (_make_outer_tile(vectors) for vectors in (1, 2, 3))


def make_convolve(number):
    """The kernel ``convolve`` for numpy's float32 or float64.

    Arguments: 0 counter, 1 blocks, 2 rows per block, 3 groups of columns, 4 vectors per group,
    5 vectors in all, 6 x, 7 its stride, 8 input channels, 9 w, 10 stride of an offset, 11 stride
    of an input channel, 12 out, 13 its stride, 14 values to start from (0: zeros), 15 output rows,
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
            for row in range(b * block, min((b + 1) * block, num_out)):
                row_out = pointer_like(out + row * out_stride, zero)
                if init == 0:
                    for j in range(first * width, stop * width):
                        row_out[j] = zero
                else:
                    source = pointer_like(init + row * out_stride, zero)
                    for j in range(first * width, stop * width):
                        row_out[j] = source[j]
            for d in range(offsets):
                pair, end = bounds[b * offsets + d], bounds[(b + 1) * offsets + d]
                in_rows, out_rows = lists + in_start[d] * 4, lists + out_start[d] * 4
                while pair < end:
                    num = min(end - pair, ROWS)
                    ins, outs = in_rows + pair * 4, out_rows + pair * 4
                    v = first
                    while v < stop:
                        tile = w + d * w_offset + v * _VECTOR_BYTES
                        target = out + v * _VECTOR_BYTES
                        left = stop - v
                        if left == 3 or left > 4:
                            _gather3(
                                x,
                                x_stride,
                                ins,
                                depth,
                                tile,
                                w_stride,
                                target,
                                out_stride,
                                outs,
                                num,
                                zero,
                            )
                            v += 3
                        elif left >= 2:
                            _gather2(
                                x,
                                x_stride,
                                ins,
                                depth,
                                tile,
                                w_stride,
                                target,
                                out_stride,
                                outs,
                                num,
                                zero,
                            )
                            v += 2
                        else:
                            _gather1(
                                x,
                                x_stride,
                                ins,
                                depth,
                                tile,
                                w_stride,
                                target,
                                out_stride,
                                outs,
                                num,
                                zero,
                            )
                            v += 1
                    pair += ROWS
            task = take(a)

    return convolve


def make_correlate(number):
    """The kernel ``correlate`` for numpy's float32 or float64.

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
                ins, outs = in_rows + pair * 4, out_rows + pair * 4
                for channel in range(low, high, ROWS):
                    height = min(high - channel, ROWS)
                    factors = y + channel * itemsize
                    target = g + d * g_offset + channel * g_stride
                    v = 0
                    while v < vectors:
                        shift = v * _VECTOR_BYTES
                        left = vectors - v
                        if left == 3 or left > 4:
                            _outer3(
                                factors,
                                y_stride,
                                outs,
                                x + shift,
                                x_stride,
                                ins,
                                num,
                                target + shift,
                                g_stride,
                                height,
                                zero,
                            )
                            v += 3
                        elif left >= 2:
                            _outer2(
                                factors,
                                y_stride,
                                outs,
                                x + shift,
                                x_stride,
                                ins,
                                num,
                                target + shift,
                                g_stride,
                                height,
                                zero,
                            )
                            v += 2
                        else:
                            _outer1(
                                factors,
                                y_stride,
                                outs,
                                x + shift,
                                x_stride,
                                ins,
                                num,
                                target + shift,
                                g_stride,
                                height,
                                zero,
                            )
                            v += 1
            task = take(a)

    return correlate
