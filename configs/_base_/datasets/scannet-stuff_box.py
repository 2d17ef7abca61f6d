# Made rooms that look scanned: scannet-stuff.py with 5 cm voxels and two scenes per batch. What no
# generator can know is drawn anew for each sample: what part of a room was recorded and how
# densely, colours, and the drift of the camera.
_base_ = 'scannet-stuff.py'
voxels = dict(type='AddVoxelTables', voxel_size=0.05)
augment = [
    dict(type='NormalizeColor'),
    dict(type='RandomPart', share=(0.3, 1.0)),
    dict(type='RandomDensity'),
    dict(type='RandomHoles'),
    dict(type='CenterCoordinates'),
    _base_.random_matrix,
    dict(type='RandomWaves'),
    _base_.relabel,
    dict(type='RandomGamma', gamma=(0.6, 1.7)),
    dict(type='RandomContrast'),
    dict(type='RandomSaturation', factor=(0.2, 1.6)),
    dict(type='RandomHue', degrees=(-30.0, 30.0)),
    dict(type='RandomChannelGain'),
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
