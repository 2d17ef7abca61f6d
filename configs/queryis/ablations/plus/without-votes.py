# Rows have a place but no votes. An auxiliary branch supervises class and offset of each point,
# with the weight of the point-wise head in the parent. Not in the paper.
# Changes: model.auxiliary, model.decode_head.decoder.reading_channels,
#     model.decode_head.quality.reading_channels,
#     model.decode_head.features.type, model.decode_head.features.votes,
#     model.decode_head.features.pointwise, model.decode_head.features.class_channels,
#     model.decode_head.features.loss_weight
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(
    auxiliary=[
        dict(
            type='PointwiseBranch',
            name='points',
            pointwise=_base_.model.decode_head.features.pointwise,
            loss_weight=_base_.model.decode_head.features.loss_weight,
        )
    ],
    decode_head=dict(
        features=dict(_delete_=True, type='PlacedFeatures', position=_base_.position),
        decoder=dict(reading_channels=49),
        quality=dict(reading_channels=49),
    ),
)
