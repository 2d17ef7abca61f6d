# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Primitives of the compiled kernels that numba lacks: shared counters and memory by address.

As for the tiles, numba's disk cache does not notice changes of this file.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def take(typingctx, counter):
    """Add 1 to an int64 atomically and return its old value, so no two threads draw the same."""

    def codegen(context, builder, signature, args):
        return builder.atomic_rmw('add', args[0], ir.IntType(64)(1), 'monotonic')

    return types.int64(types.CPointer(types.int64)), codegen


@intrinsic
def pointer_like(typingctx, address, number):
    """View the memory at an int64 address as numbers of the second argument's type."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

    return types.CPointer(number)(types.int64, number), codegen


def _pointer_to(number):

    @intrinsic
    def pointer(typingctx, address):

        def codegen(context, builder, signature, args):
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return types.CPointer(number)(types.int64), codegen

    return pointer


int32_at = _pointer_to(types.int32)
int64_at = _pointer_to(types.int64)
