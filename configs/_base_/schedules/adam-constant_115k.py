# PointGroup's own schedule on ScanNet v2: Adam with a constant learning rate of 1e-3 for 384 epochs
# of 1201 scans in batches of 4.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedGroupsConstructor',
    optimizer=dict(type='Adam', lr=1e-3, fused=True),
)
param_scheduler = []

train_cfg = dict(type='DrawBasedTrainLoop', max_iters=115296, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=4)
