# PointGroup-S on S3DIS, tested on Area 5, with its own schedule. PointGroup publishes none for
# S3DIS, so this is the schedule for ScanNet: 384 epochs, here of 204 rooms.
_base_ = [
    '../_base_/models/pointgroup-s_s3dis.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adam-constant_115k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(decode_head=dict(prepare_iters=6528))
train_cfg = dict(max_iters=19584)
