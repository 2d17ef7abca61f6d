# As scannet-stuff.py, with voxels of 8 cm and two scenes a batch: the data of the demos.
_base_ = 'scannet-stuff.py'
voxels = dict(type='AddVoxelTables', voxel_size=0.08)
# Without ElasticDistortion, the eighth transform: rooms are many here, minutes few.
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(pipeline=[*_base_.train_pipeline[:7], *_base_.train_pipeline[8:-1], voxels]),
)
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
test_dataloader = val_dataloader
