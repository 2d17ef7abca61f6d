# Queries also attend to representative points, as in the paper. The parent has no neck.
# Changes: model.backbone.out_strides, model.neck, model.decode_head.decoder.layer.type,
#     made_rooms.stride, made_rooms.level_channels, made_rooms.points, made_rooms.widths
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(
    backbone=dict(out_strides=(1, 4)),
    neck=dict(
        _delete_=True,
        type='RPGNeck',
        in_channels=48,
        out_channels=128,
        num_points=2000,
        stride=4,
        maps=dict(type='SumNormalizedMaps'),
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
    ),
    decode_head=dict(decoder=dict(layer=dict(type='QueryDecoderLayer'))),
)
made_rooms = dict(
    stride='neck.stride',
    level_channels='neck.in_channels',
    points=['neck.num_points'],
    widths=['neck.out_channels', *_base_.made_rooms.widths],
)
