# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Tiles of the compiled CPU kernels: a few rows times a few vectors, kept in registers.

A tile is emitted as LLVM instructions. It is 1 to 3 vectors wide and ``ROWS`` rows high; a vector
has ``lanes`` numbers. Addresses and strides are in bytes.

numba's disk cache does not notice changes of this file, only those of the file of a kernel. After
a change here, delete the files ``*.nbi`` and ``*.nbc`` in the folder ``__pycache__``.
"""

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_I64 = ir.IntType(64)
_WIDE = bool(binding.get_host_cpu_features().get('avx512f', False))
# Accumulators are ROWS x 3 vectors: 24 of the 32 registers of AVX-512, 12 of the 16 of AVX2.
ROWS = 8 if _WIDE else 4
VECTOR_BYTES = 64 if _WIDE else 32


def lanes(itemsize: int) -> int:
    """Return the number of values per vector."""
    return VECTOR_BYTES // itemsize


class _Emitter:
    """Emitter of the LLVM instructions that the tiles consist of."""

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
        """Emit the address of the row ``rows[index]``, where ``rows`` is a list of int32."""
        address = self.builder.add(list_address, self.builder.mul(index, _I64(4)))
        number = self.builder.load(self.at(address, 0, ir.IntType(32)), typ=ir.IntType(32))
        return self.builder.add(base, self.builder.mul(self.builder.zext(number, _I64), stride))

    def loop(self, count, states, body):
        """Emit ``for i in range(count): states = body(i, states)``; return the final states."""
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


def make_gather_tile(vectors: int):
    """Make the tile out[out_rows[r], tile] += x[in_rows[r], :] @ w[:, tile] for r < num <= ROWS."""

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
            for r in range(ROWS):  # rows beyond the last repeat it and are not stored
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


def make_outer_tile(vectors: int):
    """Make the tile g[r, tile] += sum over n < num of y[y_rows[n], r] * x[x_rows[n], tile].

    The rows are r < ROWS; rows r >= height repeat the last one and are not stored.
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
