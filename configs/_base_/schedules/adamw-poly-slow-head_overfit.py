# The schedule of the demo of 3D-QueryIS+ with 800 iterations.
_base_ = 'adamw-poly-slow-head_demo.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=800),
]
train_cfg = dict(max_iters=800, val_interval=800)
