# SoftGroup's own schedule on ScanNet v2: 128 epochs of 1201 scans, four visits each, with cosine
# decay to 0 after the 50th. It uses batches of 16 on four GPUs at 4e-3; this one, batches of 4 on
# one GPU at 1e-3.
_base_ = 'adam-constant_115k.py'
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=60050, end=153728)
]
train_cfg = dict(max_iters=153728)
