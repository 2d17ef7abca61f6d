# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
# ScanNet v2, 18 classes: data, augmentation, metric. `python tools/prepare_scannet.py` makes the
# data. They lie in $INSSEG3D_DATA/scannet, by default in data/scannet beside configs/.
#
# To change something in a leaf: mmengine substitutes nothing afterwards, so set a value where it
# is used. The voxel size stands in one transform, the last of either pipeline:
#     voxels = dict(type='AddVoxelTables', voxel_size=0.05)
#     train_dataloader = dict(dataset=dict(pipeline=[*_base_.train_pipeline[:-1], voxels]))
#     val_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
#     test_dataloader = dict(dataset=dict(pipeline=[*_base_.test_pipeline[:-1], voxels]))
# All other lengths are metres and do not depend on it. num_workers=0 needs
# persistent_workers=False beside it.
_base_ = []  # says to mmengine that this is no config of its newer kind, in spite of the import
import os  # noqa: E402

data_root = os.path.join(
    os.environ.get('INSSEG3D_DATA', os.path.abspath('{{ fileDirname }}/../../../data')), 'scannet'
)

mapped = dict(backend='mmap')  # local files; None reads from anywhere, as mmengine does
load_points = dict(
    type='LoadPointsFromFile',
    coord_type='DEPTH',
    load_dim=6,
    use_dim=6,
    use_color=True,
    backend_args=mapped,
)
load_annotations = [
    dict(
        type='LoadAnnotations3D',
        with_bbox_3d=False,
        with_label_3d=False,
        with_mask_3d=True,
        with_seg_3d=True,
        backend_args=mapped,
    ),
    dict(type='CheckAnnotations'),
    dict(type='PointSegClassMapping'),
    dict(type='SelectInstances'),
]
train_pipeline = [
    load_points,
    *load_annotations,
    dict(type='NormalizeColor'),
    dict(type='CenterCoordinates'),
    dict(type='RandomMatrix'),
    dict(type='ElasticDistortion'),
    dict(type='CropToMaxPoints', max_points=250_000),
    dict(type='RelabelInstances'),
    dict(type='RandomColorShift'),
    dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask']),
    dict(type='AddVoxelTables', voxel_size=0.02),
]
# Also runs on a points file without masks. Keeps all points, in their order.
test_pipeline = [
    load_points,
    dict(type='IfAnnotated', transforms=load_annotations),
    dict(type='NormalizeColor'),
    dict(type='CenterCoordinates'),
    dict(type='Pack3DDetInputs', keys=['points']),
    dict(type='AddVoxelTables', voxel_size=0.02),
]

train_dataloader = dict(
    batch_size=10,
    num_workers=6,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DrawSampler', shuffle=True),
    dataset=dict(
        type='ScanNetInsSegDataset',
        data_root=data_root,
        ann_file='scannet_infos_train.pkl',
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='ScanNetInsSegDataset',
        data_root=data_root,
        ann_file='scannet_infos_val.pkl',
        pipeline=test_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='InsSegMetric')
test_evaluator = val_evaluator
