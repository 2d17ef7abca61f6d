# HAIS with channel unit 16 (S), on the backbone of 3D-QueryIS.
# 18 classes, and wall and floor beside them. The two tables are those of HAIS for ScanNet v2: mean
# points and radius of an object of each class. For other data: tools/check_dataset.py.
_base_ = 'sparse-res-unet-s.py'
model = dict(
    type='GroupingSegmentor3D',
    decode_head=dict(
        type='HAISHead',
        num_classes=18,
        in_channels=16,
        pointwise=dict(
            type='PointwiseHead',
            num_stuff=2,
            semantic_layers=2,
            offset_losses=dict(l1=dict(type='OffsetL1Loss'))),
        grouping=dict(
            type='HierarchicalGrouping',
            class_points=[
                3917, 12056, 2303, 8331, 3948, 3166, 5629, 11719, 1003, 3317, 4912, 10221, 3889,
                4136, 2120, 945, 3967, 2589],
            class_radii=[
                0.7048, 1.1733, 0.3964, 1.0115, 0.7260, 0.8675, 0.8375, 1.0454, 0.3288, 1.1955,
                0.8629, 1.0416, 0.6603, 0.8541, 0.3806, 0.3012, 0.7421, 0.4474],
            radius=0.03),
        proposal_net=dict(
            type='ProposalNet',
            unet=dict(
                type='SparseResUNet', in_channels=None, base_channels=16, num_levels=2,
                out_strides=1),
            full_scale=20,
            score_scale=50.0),
        ranking=dict(type='ProposalRanking', min_points=100, score_thr=0.09)))
