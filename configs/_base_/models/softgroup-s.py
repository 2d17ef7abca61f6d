# SoftGroup with channel unit 16 (S), on the backbone of 3D-QueryIS.
# 18 classes, and wall and floor beside them. The table is HAIS's for ScanNet v2, which SoftGroup
# takes over: mean points of an object of each class. For other data: tools/check_dataset.py.
_base_ = 'sparse-res-unet-s.py'
model = dict(
    type='GroupingSegmentor3D',
    decode_head=dict(
        type='SoftGroupHead',
        num_classes=18,
        in_channels=16,
        pointwise=dict(
            type='PointwiseHead',
            num_stuff=2,
            semantic_layers=2,
            offset_losses=dict(l1=dict(type='OffsetL1Loss'))),
        grouping=dict(
            type='SoftGrouping',
            class_points=[
                3917, 12056, 2303, 8331, 3948, 3166, 5629, 11719, 1003, 3317, 4912, 10221, 3889,
                4136, 2120, 945, 3967, 2589],
            radius=0.04),
        proposal_net=dict(
            type='ProposalNet',
            unet=dict(
                type='SparseResUNet', in_channels=None, base_channels=16, num_levels=2,
                out_strides=1),
            full_scale=20,
            score_scale=50.0),
        ranking=dict(type='ProposalRanking', min_points=100)))
