# 3D-QueryIS+-L on S3DIS, tested on Area 4; one fold of six. Not trained yet.
_base_ = 'queryis-plus-l_1xb10-60k_s3dis-area5.py'
train_dataloader = dict(dataset=dict(areas=(1, 2, 3, 5, 6)))
val_dataloader = dict(dataset=dict(areas=(4,)))
test_dataloader = val_dataloader
