# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Compiled kernels that build pair tables, see :mod:`insseg3d.ops.sparse.neighbors`.

Arguments are numbered in each docstring; 0 is the counter from which tasks are drawn. Candidates
are written first and counted only if they match, which avoids mispredicted branches.
"""

from .primitives import int32_at, int64_at, take

FAR = 2**63 - 1


def find_neighbors(a):
    """Match every (dx, dy) column by moving a second pointer through the sorted keys.

    1 voxels V, 2 keys, 3 key difference of each of the 5 columns at dz = -1 (the first is unused:
    in a voxel's own column, only dz = 1 is searched), 4 row lists with space for V output rows and
    V input rows for each of 13 offsets, 5 counts of the offsets.
    """
    voxels, keys, shifts, counts = a[1], int64_at(a[2]), int64_at(a[3]), int64_at(a[5])
    size = voxels * 8
    task = take(a)
    while task < 5:
        if task == 0:
            outs, ins, found = int32_at(a[4]), int32_at(a[4] + voxels * 4), 0
            for here in range(voxels - 1):
                outs[found], ins[found] = here, here + 1
                found += keys[here + 1] == keys[here] + 1
            counts[0] = found
        else:
            first = 3 * task - 2
            base = a[4] + first * size
            outs0, outs1, outs2 = int32_at(base), int32_at(base + size), int32_at(base + 2 * size)
            base += voxels * 4
            ins0, ins1, ins2 = int32_at(base), int32_at(base + size), int32_at(base + 2 * size)
            found0, found1, found2, there = 0, 0, 0, 0
            for here in range(voxels):
                target = keys[here] + shifts[task]
                while there < voxels and keys[there] < target:
                    there += 1
                row = there
                if row < voxels:
                    outs0[found0], ins0[found0] = here, row
                    hit = keys[row] == target
                    found0 += hit
                    row += hit
                if row < voxels:
                    outs1[found1], ins1[found1] = here, row
                    hit = keys[row] == target + 1
                    found1 += hit
                    row += hit
                if row < voxels:
                    outs2[found2], ins2[found2] = here, row
                    found2 += keys[row] == target + 2
            counts[first], counts[first + 1], counts[first + 2] = found0, found1, found2
        task = take(a)


def coarsen(a):
    """Merge the children of the 8 corners, each in ascending order of parents. One task.

    1 voxels V, 2 coors (V, 4) int32, 3-5 key strides of batch, x and y on the coarse grid, 6 key
    of its cell 0, 7 row lists: V child rows per corner, then V parent rows per corner, 8 counts
    of the corners, then the number of parents, then 16 numbers of scratch space, 9 key of each
    child's parent, 10 coors of the parents, 11 keys of the parents.
    """
    if take(a) > 0:
        return
    voxels, coors, lists, counts = a[1], int32_at(a[2]), int32_at(a[7]), int64_at(a[8])
    keys, parent_coors, parent_keys = int64_at(a[9]), int32_at(a[10]), int64_at(a[11])
    heads, head_keys = int64_at(a[8] + 72), int64_at(a[8] + 136)
    for corner in range(8):
        counts[corner] = 0
        heads[corner] = 0
    for row in range(voxels):
        x, y, z = coors[row * 4 + 1], coors[row * 4 + 2], coors[row * 4 + 3]
        corner = (x & 1) * 4 + (y & 1) * 2 + (z & 1)
        lists[corner * voxels + counts[corner]] = row
        counts[corner] += 1
        keys[row] = a[6] + coors[row * 4] * a[3] + (x >> 1) * a[4] + (y >> 1) * a[5] + (z >> 1)
    for corner in range(8):
        head_keys[corner] = keys[lists[corner * voxels]] if counts[corner] else FAR
    parents = 0
    while True:
        least = FAR
        for corner in range(8):
            least = min(least, head_keys[corner])
        if least == FAR:
            break
        for corner in range(8):
            if head_keys[corner] == least:
                place = corner * voxels + heads[corner]
                if parents == 0 or parent_keys[parents - 1] != least:
                    child = lists[place]
                    parent_keys[parents] = least
                    parent_coors[parents * 4] = coors[child * 4]
                    for axis in range(1, 4):
                        parent_coors[parents * 4 + axis] = coors[child * 4 + axis] >> 1
                    parents += 1
                lists[8 * voxels + place] = parents - 1
                heads[corner] += 1
                head_keys[corner] = FAR
                if heads[corner] < counts[corner]:
                    head_keys[corner] = keys[lists[place + 1]]
    counts[8] = parents


def find_bounds(a):
    """Find the start of each block of output rows in each offset's list.

    1 offsets, 2 row lists, 3 starts of the output lists, 4 counts, 5 rows per block, 6 blocks,
    7 bounds, (blocks + 1, offsets) int32.
    """
    offsets, starts, counts, bounds = a[1], int64_at(a[3]), int64_at(a[4]), int32_at(a[7])
    offset = take(a)
    while offset < offsets:
        rows = int32_at(a[2] + starts[offset] * 4)
        low = 0
        for block in range(a[6] + 1):
            edge, high = block * a[5], counts[offset]
            while low < high:
                middle = (low + high) // 2
                if rows[middle] < edge:
                    low = middle + 1
                else:
                    high = middle
            bounds[block * offsets + offset] = low
        offset = take(a)
