# Pools representative points from voxels of stride 8 (16 cm); the parent uses stride 4.
# The paper has no number.
# Changes: model.backbone.out_strides, model.neck.in_channels, model.neck.stride
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(backbone=dict(out_strides=(1, 8)), neck=dict(in_channels=64, stride=8))
