# The schedule for ScanNet with 60,000 iterations. The paper does not specify the training length on
# S3DIS; this one visits each of the 204 training rooms about 3,000 times.
_base_ = 'adamw-poly_150k.py'
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=60000),
]
train_cfg = dict(max_iters=60000)
