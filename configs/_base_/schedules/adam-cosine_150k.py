# HAIS's own schedule on ScanNet v2: Adam, 1e-3 for 200 epochs, then a cosine to 0; 500 epochs of
# 1201 scans in batches of 4.
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=1e-3))
param_scheduler = [
    dict(type='CosineAnnealingLR', eta_min=0.0, by_epoch=False, begin=60050, end=150125)]

train_cfg = dict(type='DrawBasedTrainLoop', max_iters=150125, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=4)
