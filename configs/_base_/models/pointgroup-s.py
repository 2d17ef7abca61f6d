# PointGroup with channel unit 16 (S), on the backbone of 3D-QueryIS.
_base_ = 'grouping-s.py'
model = dict(
    decode_head=dict(
        type='PointGroupHead',
        pointwise=dict(
            semantic_layers=1, offset_losses=dict(direction=dict(type='OffsetDirectionLoss'))
        ),
        grouping=dict(type='DualSpaceGrouping', radius=0.03, min_points=50),
        proposal_net=dict(full_scale=14),
        ranking=dict(min_points=101, score_thr=0.09, nms_thr=0.3),
    )
)
