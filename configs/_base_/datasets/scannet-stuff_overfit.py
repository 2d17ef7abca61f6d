# As scannet-stuff_demo.py, with one room as it is, the first, to train on and to test.
_base_ = 'scannet-stuff_demo.py'
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        indices=1,
        # Without augmentation: all up to RandomMatrix, then packing and voxels.
        pipeline=[
            *_base_.train_pipeline[:6],
            _base_.train_pipeline[-2],
            _base_.train_dataloader.dataset.pipeline[-1],
        ],
    ),
)
val_dataloader = dict(dataset=dict(ann_file='scannet_infos_train.pkl', indices=1))
test_dataloader = val_dataloader
