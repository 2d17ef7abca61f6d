# adamw-poly_demo.py with the factors of the rate of adamw-poly-slow-head_150k.py.
_base_ = 'adamw-poly-slow-head_150k.py'
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=5000),
]
train_cfg = dict(max_iters=5000, val_interval=5000)
