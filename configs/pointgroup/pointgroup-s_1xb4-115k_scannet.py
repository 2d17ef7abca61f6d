# PointGroup-S on ScanNetV2 with its own schedule. Scores start at epoch 128 of 384.
_base_ = [
    '../_base_/models/pointgroup-s.py',
    '../_base_/datasets/scannet-stuff.py',
    '../_base_/schedules/adam-constant_115k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(decode_head=dict(prepare_iters=38432))
