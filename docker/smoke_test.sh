#!/usr/bin/env bash
# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
# Checks in under a minute that an image works: the environment is complete, the project can be
# imported from any folder, and two made rooms can be written, converted, trained on and tested.
#   docker run --rm IMAGE bash docker/smoke_test.sh
set -euo pipefail
cd "$(dirname "$0")/.."
project=$PWD
python tools/doctor.py

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python -c 'import insseg3d, queryis'
export INSSEG3D_DATA=$folder/data
python "$project/tools/synthesize.py" --layout scannet --out raw --scenes 2 \
    --splits train=1,val=1 --spacing 0.09 --area 6 8 --objects 3 5 --workers 1
python "$project/tools/prepare_scannet.py" --raw raw --out data/scannet --splits train val --workers 1
config=$project/configs/queryis/queryis-s_1xb10-150k_scannet.py
few=(train_dataloader.batch_size=1 train_dataloader.num_workers=0
    train_dataloader.persistent_workers=False val_dataloader.num_workers=0
    val_dataloader.persistent_workers=False test_dataloader.num_workers=0
    test_dataloader.persistent_workers=False)
python "$project/tools/train.py" "$config" --work-dir work \
    --cfg-options train_cfg.max_iters=1 "${few[@]}"
python "$project/tools/test.py" "$config" work/iter_1.pth --work-dir work --cfg-options "${few[@]}"
echo 'The smoke test passed.'
