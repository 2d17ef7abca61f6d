# PointGroup-S for voxels of 8 cm: all lengths are four times those for voxels of 2 cm.
_base_ = 'pointgroup-s.py'
model = dict(
    backbone=dict(num_levels=5),
    decode_head=dict(grouping=dict(radius=0.12), proposal_net=dict(score_scale=12.5)),
)
