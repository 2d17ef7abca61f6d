#!/usr/bin/env bash
# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
# Tests with several processes: tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [flags of test.py]
# NNODES, NODE_RANK, PORT, MASTER_ADDR as in mmdetection3d; PYTHON chooses the interpreter.
# Without a GPU the processes run on the CPU (insseg3d/compat.py).
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '3,5s/^# //p' "$0" >&2
    exit 2
fi
config=$1
checkpoint=$2
processes=$3
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --nproc_per_node="$processes" \
    --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "${@:4}"
