# 3D-QueryIS+-L on ScanNet200: the schedule for ScanNetV2, with 198 classes, wall and floor.
# Not trained yet.
_base_ = [
    '../_base_/models/queryis-plus-l.py',
    '../_base_/datasets/scannet200-stuff.py',
    '../_base_/schedules/adamw-poly-slow-head_150k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    decode_head=dict(
        num_classes=198,
        features=dict(pointwise=dict(num_classes=198)),
        loss_cls=dict(class_weight=[1.0] * 198 + [0.5]),
    )
)
