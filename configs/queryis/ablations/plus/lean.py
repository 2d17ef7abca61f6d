# Reading under masks, votes and positions alone: neither relation nor quality nor pilots, and the
# rates and the weight of "no object" of 3D-QueryIS.
# Changes: model.decode_head.decoder.relation, model.decode_head.quality, model.decode_head.pilots,
#     model.decode_head.loss_cls.class_weight
_base_ = 'full-rate.py'
model = dict(
    decode_head=dict(
        decoder=dict(relation=None),
        quality=None,
        pilots=None,
        loss_cls=dict(class_weight=[1.0] * 18 + [0.1]),
    )
)
