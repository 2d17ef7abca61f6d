# QueryIS's neck and head on mmdetection3d's MinkUNet (spconv). Not in the paper.
_base_ = '../queryis/queryis-s_1xb10-150k_scannet.py'
model = dict(
    backbone=dict(
        _delete_=True,
        type='MultiLevelMinkUNet',
        in_channels=6,
        base_channels=32,
        encoder_channels=[32, 64, 128, 256],
        decoder_channels=[256, 128, 96, 96],
    ),
    neck=dict(in_channels=128),  # the level of stride 4; decoder strides are 8, 4, 2, 1
    decode_head=dict(in_channels=96),
)
