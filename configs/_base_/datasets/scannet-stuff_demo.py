# Data of the demos: scannet-stuff.py with 8 cm voxels and two scenes per batch.
_base_ = 'scannet-stuff.py'
voxels = dict(type='AddVoxelTables', voxel_size=0.08)
# `elastic` is left out: there are many rooms, and it costs time.
augment = [
    *_base_.normalize,
    _base_.random_matrix,
    _base_.crop,
    _base_.relabel,
    _base_.color_shift,
]
train_transforms = [_base_.load_points, *_base_.load_training_annotations, *augment]
train_dataloader = dict(
    batch_size=2,
    num_workers=1,
    dataset=dict(pipeline=[*train_transforms, _base_.pack, voxels]),
)
val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_transforms, _base_.pack_points, voxels]))
test_dataloader = val_dataloader
