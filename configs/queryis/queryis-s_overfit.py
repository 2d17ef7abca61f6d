# The demo's model on one room, seen again and again as it is: a check that it can learn, AP near 1.
_base_ = 'queryis-s_demo.py'
train_dataloader = dict(
    batch_size=1,
    dataset=dict(
        indices=1,  # the first scene
        # Without augmentation: all up to RandomMatrix, then packing and voxels.
        pipeline=[
            *_base_.train_pipeline[:7],
            _base_.train_pipeline[-2],
            _base_.train_dataloader.dataset.pipeline[-1],
        ],
    ),
)
val_dataloader = dict(dataset=dict(ann_file='scannet_infos_train.pkl', indices=1))
test_dataloader = val_dataloader

param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=50),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=800),
]
train_cfg = dict(max_iters=800, val_interval=800)
