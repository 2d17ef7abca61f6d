# Parts common to PointGroup, HAIS and SoftGroup, with channel unit 16 (S), on the backbone of
# 3D-QueryIS. There are 18 classes, plus wall and floor.
_base_ = 'sparse-res-unet-s.py'
custom_imports = dict(imports=['insseg3d', 'insseg_baselines'])
model = dict(
    type='GroupingSegmentor3D',
    decode_head=dict(
        num_classes=18,
        in_channels=16,
        pointwise=dict(
            type='PointwiseHead',
            num_stuff=2,
            semantic_layers=2,
            offset_losses=dict(l1=dict(type='OffsetL1Loss')),
        ),
        proposal_net=dict(
            type='ProposalNet',
            unet=dict(
                type='SparseResUNet',
                in_channels=None,
                base_channels=16,
                num_levels=2,
                out_strides=1,
            ),
            full_scale=20,
            score_scale=50.0,
        ),
        ranking=dict(type='ProposalRanking'),
    ),
)
# Settings that budgets adapt to the size of made rooms; see docs/experiments.md.
made_rooms = dict(
    lengths=['decode_head.grouping.radius'],
    per_metre=['decode_head.proposal_net.score_scale'],
    iterations=['decode_head.prepare_iters', 'decode_head.mask_iters'],
)
