# ScanNet200 as in scannet200.py. In addition, training samples distinguish wall and floor, the two
# of its 200 categories that are not instance classes, from points without annotation.
_base_ = 'scannet200.py'
label_stuff = dict(type='LabelStuff', transforms=_base_.select_instances)
load_training_annotations = [*_base_.read_masks, label_stuff]
train_transforms = [_base_.load_points, *load_training_annotations, *_base_.augment]
train_pipeline = [*train_transforms, _base_.pack, _base_.voxels]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
