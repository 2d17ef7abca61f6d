# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
# ScanNet v2, 18 classes: data, augmentation and metric. `python tools/prepare_scannet.py` writes
# the data to $INSSEG3D_DATA/scannet, by default data/scannet next to configs/.
#
# Pipelines are lists of the named transforms below. To replace a transform in a leaf, write the
# list again by name. To set the voxel size, an argument of the last transform of either pipeline:
#     voxels = dict(type='AddVoxelTables', voxel_size=0.05)
#     train_pipeline = [*_base_.train_transforms, _base_.pack, voxels]
#     test_pipeline = [*_base_.test_transforms, _base_.pack_points, voxels]
#     train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
#     val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
#     test_dataloader = val_dataloader
# All other lengths are in metres and do not depend on the voxel size. Set a new value where it is
# used: mmengine fills in variables before it merges a leaf, so redefining `voxels` alone would
# change nothing.
# num_workers=0 requires persistent_workers=False.
_base_ = []  # otherwise mmengine takes the import below for its newer, pure Python config style
import os  # noqa: E402

data_root = os.path.join(
    os.environ.get('INSSEG3D_DATA', os.path.abspath('{{ fileDirname }}/../../../data')), 'scannet'
)

mapped = dict(backend='mmap')  # local files only; None uses mmengine's storage backends
load_points = dict(
    type='LoadPointsFromFile',
    coord_type='DEPTH',
    load_dim=6,
    use_dim=6,
    use_color=True,
    backend_args=mapped,
)
read_masks = [
    dict(
        type='LoadAnnotations3D',
        with_bbox_3d=False,
        with_label_3d=False,
        with_mask_3d=True,
        with_seg_3d=True,
        backend_args=mapped,
    ),
    dict(type='CheckAnnotations'),
]
select_instances = [dict(type='PointSegClassMapping'), dict(type='SelectInstances')]
load_annotations = [*read_masks, *select_instances]
normalize = [dict(type='NormalizeColor'), dict(type='CenterCoordinates')]
random_matrix = dict(type='RandomMatrix')
elastic = dict(type='ElasticDistortion')
crop = dict(type='CropToMaxPoints', max_points=250_000)
relabel = dict(type='RelabelInstances')
color_shift = dict(type='RandomColorShift')
pack = dict(type='Pack3DDetInputs', keys=['points', 'pts_semantic_mask', 'pts_instance_mask'])
pack_points = dict(type='Pack3DDetInputs', keys=['points'])
voxels = dict(type='AddVoxelTables', voxel_size=0.02)

augment = [*normalize, random_matrix, elastic, crop, relabel, color_shift]
train_transforms = [load_points, *load_annotations, *augment]
train_pipeline = [*train_transforms, pack, voxels]
# Also works on a points file without masks. Keeps all points in their order.
test_transforms = [
    load_points,
    dict(type='IfAnnotated', transforms=load_annotations),
    *normalize,
]
test_pipeline = [*test_transforms, pack_points, voxels]

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
