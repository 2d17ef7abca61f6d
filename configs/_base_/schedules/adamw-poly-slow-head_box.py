# adamw-poly-slow-head_demo.py for 24,000 iterations.
_base_ = 'adamw-poly-slow-head_demo.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=24_000),
]
train_cfg = dict(max_iters=24_000, val_interval=24_000)
