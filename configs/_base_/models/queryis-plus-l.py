# 3D-QueryIS+ with channel unit 32 (L).
_base_ = 'queryis-plus-s.py'
model = dict(
    backbone=dict(base_channels=32),
    decode_head=dict(
        in_channels=32,
        features=dict(pointwise=dict(in_channels=32)),
        decoder=dict(reading_channels=124),
        quality=dict(reading_channels=124),
    ),
)
