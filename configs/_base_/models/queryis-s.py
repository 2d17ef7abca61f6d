# 3D-QueryIS with channel unit 16 (S): 7 levels, J 2000, K 100, L 3, H 4.
# Queries and points have 128 channels. The paper uses C for both this width and the channel unit.
_base_ = 'sparse-res-unet-s.py'
custom_imports = dict(imports=['insseg3d', 'queryis'])
model = dict(
    type='InstanceSegmentor3D',
    backbone=dict(out_strides=(1, 4)),
    neck=dict(
        type='RPGNeck',
        in_channels=48,
        out_channels=128,
        num_points=2000,
        stride=4,
        maps=dict(type='SumNormalizedMaps'),
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
    ),
    decode_head=dict(
        type='QueryISHead',
        num_classes=18,
        in_channels=16,
        embed_dims=128,
        decoder=dict(
            type='QueryDecoder',
            num_layers=3,
            queries=dict(type='LearnedQueries', num_queries=100, embed_dims=128),
            layer=dict(type='QueryDecoderLayer', embed_dims=128, num_heads=4),
        ),
        assigner=dict(
            type='HungarianAssigner',
            match_costs=[
                dict(type='QueryClassCost', weight=2.0),
                dict(type='MaskBCECost', weight=5.0),
                dict(type='MaskDiceCost', weight=5.0),
            ],
        ),
        loss_cls=dict(
            type='mmdet.CrossEntropyLoss', loss_weight=2.0, class_weight=[1.0] * 18 + [0.1]
        ),
        mask_losses=dict(
            bce=dict(type='MaskBCELoss', loss_weight=5.0),
            dice=dict(type='MaskDiceLoss', loss_weight=5.0),
        ),
        ranking=dict(type='ArgmaxRanking', min_points=100),
    ),
)
# Settings that budgets adapt to the size of made rooms; see docs/experiments.md.
made_rooms = dict(
    stride='neck.stride',
    level_channels='neck.in_channels',
    points=['neck.num_points'],
    queries=['decode_head.decoder.queries.num_queries'],
    widths=[
        'neck.out_channels',
        'decode_head.embed_dims',
        'decode_head.decoder.queries.embed_dims',
        'decode_head.decoder.layer.embed_dims',
        'decode_head.decoder.layer.feedforward_channels',
    ],
)
