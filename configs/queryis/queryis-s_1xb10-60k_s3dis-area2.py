# 3D-QueryIS-S on S3DIS, tested on Area 2; one fold of six.
# Table 3, "6-fold": 62.2 AP / 73.9 AP50 in the paper, which does not specify the width.
_base_ = 'queryis-s_1xb10-60k_s3dis-area5.py'
train_dataloader = dict(dataset=dict(areas=(1, 3, 4, 5, 6)))
val_dataloader = dict(dataset=dict(areas=(2,)))
test_dataloader = val_dataloader
