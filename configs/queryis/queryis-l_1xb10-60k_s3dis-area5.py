# 3D-QueryIS-L on S3DIS, tested on Area 5: batch 10, 60,000 iterations (the paper specifies none).
# Table 3, "Area 5": 55.5 AP / 66.7 AP50 in the paper, which does not specify the width.
# For the other folds, see the leaves of areas 1 to 4 and 6.
_base_ = [
    '../_base_/models/queryis-l.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adamw-poly_60k.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=13, loss_cls=dict(class_weight=[1.0] * 13 + [0.1])))
