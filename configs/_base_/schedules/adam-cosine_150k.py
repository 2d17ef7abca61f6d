# HAIS's own schedule on ScanNet v2: Adam at 1e-3 for 200 epochs, then cosine decay to 0. It has 500
# epochs of 1201 scans in batches of 4.
_base_ = 'adam-constant_115k.py'
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=60050, end=150125)
]
train_cfg = dict(max_iters=150125)
