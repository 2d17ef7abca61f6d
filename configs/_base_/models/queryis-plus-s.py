# 3D-QueryIS+ with channel unit 16 (S). Rows have a place and vote for the centre of their object;
# queries read under their masks, so no representative points are needed, and see how the masks
# overlap; pilots add supervision in training.
# projects/queryis/README.md lists what is the paper's and what is this project's.
_base_ = 'queryis-s.py'
position = dict(type='FourierPosition', wavelengths=(16.0, 8.0, 4.0, 2.0, 1.0))
model = dict(
    backbone=dict(out_strides=(1,)),
    neck=None,
    decode_head=dict(
        features=dict(
            type='VotedFeatures',
            position=position,
            votes=dict(type='FourierPosition', wavelengths=(8.0, 4.0, 2.0, 1.0)),
            pointwise=dict(
                type='PointwiseHead',
                in_channels=16,
                num_classes=18,
                num_stuff=2,
                semantic_layers=2,
                offset_losses=dict(l1=dict(type='OffsetL1Loss')),
            ),
            class_channels=32,
            loss_weight=10.0,
        ),
        decoder=dict(
            type='MaskReadingDecoder',
            embed_dims=128,
            reading_channels=108,
            layer=dict(type='SelfAttentionLayer'),
            position=position,
            relation=dict(type='MaskRelation', num_heads=4),
        ),
        reading_rows=16384,
        pilots=dict(type='MaskPilots', embed_dims=128),
        quality=dict(type='MaskQuality', embed_dims=128, reading_channels=108),
        loss_cls=dict(class_weight=[1.0] * 18 + [0.5]),
        ranking=dict(type='MatrixNMSRanking', min_points=100),
    ),
)
# Settings that budgets adapt to the size of made rooms; see docs/experiments.md.
made_rooms = dict(
    _delete_=True,
    queries=['decode_head.decoder.queries.num_queries'],
    widths=[
        'decode_head.embed_dims',
        'decode_head.decoder.embed_dims',
        'decode_head.decoder.queries.embed_dims',
        'decode_head.decoder.layer.embed_dims',
        'decode_head.decoder.layer.feedforward_channels',
        'decode_head.pilots.embed_dims',
        'decode_head.quality.embed_dims',
    ],
)
