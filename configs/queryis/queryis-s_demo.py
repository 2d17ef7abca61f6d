# 3D-QueryIS-S made small enough to learn from made rooms on two CPU cores in some ten minutes.
_base_ = 'queryis-s_1xb10-150k_scannet.py'
voxels = dict(type='AddVoxelTables', voxel_size=0.08)
# Without ElasticDistortion, the ninth transform: rooms are many here, minutes few.
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(pipeline=[*_base_.train_pipeline[:8], *_base_.train_pipeline[9:-1], voxels]),
)
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
test_dataloader = val_dataloader

model = dict(
    backbone=dict(num_levels=5, out_strides=(1, 2)),
    neck=dict(in_channels=32, out_channels=64, num_points=256, stride=2),
    decode_head=dict(
        embed_dims=64,
        decoder=dict(queries=dict(num_queries=40, embed_dims=64), layer=dict(embed_dims=64)),
    ),
)

optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=5000),
]
train_cfg = dict(max_iters=5000, val_interval=5000)
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1000),
    visualization=dict(title='3D-QueryIS on rooms that it never saw'),
)
