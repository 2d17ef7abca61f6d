# 3D-QueryIS+-S on S3DIS, tested on Area 3; one fold of six. Not trained yet.
_base_ = 'queryis-plus-s_1xb10-60k_s3dis-area5.py'
train_dataloader = dict(dataset=dict(areas=(1, 2, 4, 5, 6)))
val_dataloader = dict(dataset=dict(areas=(3,)))
test_dataloader = val_dataloader
