# 3D-QueryIS-S made small enough to train on made rooms with two CPU cores in some ten minutes.
_base_ = 'queryis-s_1xb10-150k_scannet.py'

voxels = dict(type='AddVoxelTables', voxel_size=0.08)
train_dataloader = dict(
    batch_size=2, num_workers=0, persistent_workers=False,
    dataset=dict(pipeline=[*_base_.train_pipeline[:-1], voxels]))
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
test_dataloader = val_dataloader
