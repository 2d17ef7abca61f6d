# PointGroup-S for the 13 classes of S3DIS; ceiling and floor are one object each.
_base_ = 'pointgroup-s.py'
model = dict(decode_head=dict(num_classes=13, whole_classes=(0, 1), pointwise=dict(num_stuff=0)))
