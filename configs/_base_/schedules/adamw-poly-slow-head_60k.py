# adamw-poly_60k.py with the factors of the rate of adamw-poly-slow-head_150k.py.
_base_ = 'adamw-poly-slow-head_150k.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=60000),
]
train_cfg = dict(max_iters=60000)
