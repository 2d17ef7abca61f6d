# As scannet-stuff_demo.py, but the first room alone, not augmented, is both training and test set.
_base_ = 'scannet-stuff_demo.py'
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        indices=1,  # the first scene
        # No augmentation.
        pipeline=[
            _base_.load_points,
            *_base_.load_training_annotations,
            *_base_.normalize,
            _base_.pack,
            _base_.voxels,
        ],
    ),
)
val_dataloader = dict(dataset=dict(ann_file='scannet_infos_train.pkl', indices=1))
test_dataloader = val_dataloader
