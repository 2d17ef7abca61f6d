# ScanNet v2 as in scannet.py. In addition, training samples distinguish wall and floor from points
# without annotation, which methods that group points by their predicted class need.
_base_ = 'scannet.py'
label_stuff = dict(type='LabelStuff', transforms=_base_.select_instances)
load_training_annotations = [*_base_.read_masks, label_stuff]
train_transforms = [_base_.load_points, *load_training_annotations, *_base_.augment]
train_pipeline = [*train_transforms, _base_.pack, _base_.voxels]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
