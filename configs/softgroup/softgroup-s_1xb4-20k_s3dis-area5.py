# SoftGroup-S on S3DIS, tested on Area 5, with its own schedule: 20 epochs of 204 rooms with 20
# visits each, and cosine decay from the start.
_base_ = [
    '../_base_/models/softgroup-s_s3dis.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adam-cosine_154k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(decode_head=dict(prepare_iters=4080))
param_scheduler = [dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=0, end=20400)]
train_cfg = dict(max_iters=20400)
