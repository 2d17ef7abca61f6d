# The weight of "no object" in the class loss is that of 3D-QueryIS, 0.1. In the parent it is 0.5.
# Changes: model.decode_head.loss_cls.class_weight
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(loss_cls=dict(class_weight=[1.0] * 18 + [0.1])))
