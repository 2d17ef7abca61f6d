# SoftGroup's own schedule on ScanNet v2: 128 epochs of 1201 scans, four visits each, a cosine to 0
# after the 50th. In batches of 4 on one GPU at 1e-3, where it has 16 on four at 4e-3.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=60050, end=153728)]

train_cfg = dict(type='DrawBasedTrainLoop', max_iters=153728, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=4)
