# 3D-QueryIS+-S with five steps of batch 2 per update, to use the memory of two scenes, not ten.
# An iteration is one step here, so there are 150,000 updates. Batch norm uses the statistics of two
# scenes. Not trained yet.
_base_ = 'queryis-plus-s_1xb10-150k_scannet.py'
train_dataloader = dict(batch_size=2)
optim_wrapper = dict(accumulative_counts=5)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=7500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=750000),
]
train_cfg = dict(max_iters=750000, val_interval=50000)
default_hooks = dict(checkpoint=dict(interval=25000))
auto_scale_lr = dict(base_batch_size=2)  # per step: mmengine ignores accumulative_counts here
