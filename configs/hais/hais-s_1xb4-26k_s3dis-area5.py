# HAIS-S on S3DIS, tested on Area 5, with its own schedule. HAIS publishes none for S3DIS, so this
# is the schedule for ScanNet: 500 epochs, here of 204 rooms.
_base_ = [
    '../_base_/models/hais-s_s3dis.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adam-cosine_150k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(decode_head=dict(prepare_iters=5100, mask_iters=10200))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=10200, end=25500)
]
train_cfg = dict(max_iters=25500)
