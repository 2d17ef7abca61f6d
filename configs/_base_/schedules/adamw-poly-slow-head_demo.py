# adamw-poly_demo.py with the factors of the rate of adamw-poly-slow-head_150k.py, and 3,000
# iterations instead of 5,000.
_base_ = 'adamw-poly-slow-head_150k.py'
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=3000),
]
train_cfg = dict(max_iters=3000, val_interval=3000)
