# 3D-QueryIS-S on ScanNet200: the paper's schedule for ScanNetV2, with 198 classes. The paper has no
# results on ScanNet200.
_base_ = [
    '../_base_/models/queryis-s.py',
    '../_base_/datasets/scannet200.py',
    '../_base_/schedules/adamw-poly_150k.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(num_classes=198, loss_cls=dict(class_weight=[1.0] * 198 + [0.1])))
