# This project's U-Net with mmdetection3d's own semantic segmentor and head. Not in the paper.
# The classes are the 18 instance classes, without wall and floor.
_base_ = '../queryis/queryis-s_1xb10-150k_scannet.py'
custom_imports = dict(imports=['insseg3d'])
model = dict(
    _delete_=True,
    type='MinkUNet',
    data_preprocessor=dict(type='VoxelTablePreprocessor'),
    backbone=dict(
        type='SparseResUNet', in_channels=6, base_channels=16, num_levels=7, out_strides=1
    ),
    decode_head=dict(
        type='MinkUNetHead',
        channels=16,
        num_classes=18,
        dropout_ratio=0,
        ignore_index=18,
        loss_decode=dict(type='mmdet.CrossEntropyLoss', avg_non_ignore=True),
    ),
    train_cfg=dict(),
    test_cfg=dict(),
)
val_evaluator = dict(_delete_=True, type='SegMetric')
test_evaluator = val_evaluator
