# A mask has a superpoint as a whole if it has more than half of its points. ScanNet's annotation
# and that of made rooms consist of superpoints. Not in the paper. Test only: use the weights of the
# parent, and data prepared with --superpoints.
# Changes: model.refinement, val_dataloader.dataset.pipeline, test_dataloader.dataset.pipeline,
#     weights_of
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
weights_of = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(refinement=dict(type='SuperpointVote'))
val_dataloader = dict(
    dataset=dict(
        pipeline=[
            _base_.load_points,
            dict(type='LoadSuperpoints'),
            dict(type='IfAnnotated', transforms=_base_.load_annotations),
            *_base_.normalize,
            _base_.pack_points,
            _base_.voxels,
        ]
    )
)
test_dataloader = val_dataloader
