# 3D-QueryIS+-L on S3DIS, tested on Area 5: batch 10, 60,000 iterations. Wall and floor are classes
# here, so the point-wise head has no others. Not trained yet.
_base_ = [
    '../_base_/models/queryis-plus-l.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adamw-poly-slow-head_60k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(
        num_classes=13,
        features=dict(pointwise=dict(num_classes=13, num_stuff=0)),
        loss_cls=dict(class_weight=[1.0] * 13 + [0.5]),
    )
)
