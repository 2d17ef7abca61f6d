# ScanNet v2 as in scannet.py, where training samples also distinguish wall and floor from points
# that nobody annotated: for methods that group points by their predicted class.
_base_ = 'scannet.py'
label_stuff = dict(type='LabelStuff', transforms=_base_.select_instances)
load_training_annotations = [*_base_.read_masks, label_stuff]
train_transforms = [_base_.load_points, *load_training_annotations, *_base_.augment]
train_pipeline = [*train_transforms, _base_.pack, _base_.voxels]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
