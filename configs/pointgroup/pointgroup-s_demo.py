# PointGroup-S made small as the demo of 3D-QueryIS is, with its data, iterations and sizes.
_base_ = 'pointgroup-s_1xb10-150k_scannet.py'
voxels = dict(type='AddVoxelTables', voxel_size=0.08)
# Without ElasticDistortion, the eighth transform: rooms are many here, minutes few.
train_dataloader = dict(batch_size=2, num_workers=1, dataset=dict(
    pipeline=[*_base_.train_pipeline[:7], *_base_.train_pipeline[8:-1], voxels]))
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
test_dataloader = val_dataloader
model = dict(backbone=dict(num_levels=5), decode_head=dict(
    prepare_iters=1667, grouping=dict(radius=0.12), proposal_net=dict(score_scale=12.5)))
optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=5000)]
train_cfg = dict(max_iters=5000, val_interval=5000)
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1000))
