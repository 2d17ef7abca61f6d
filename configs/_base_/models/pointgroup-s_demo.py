# PointGroup-S for 8 cm voxels: all lengths are four times those for 2 cm voxels.
_base_ = 'pointgroup-s.py'
model = dict(
    backbone=dict(num_levels=5),
    decode_head=dict(grouping=dict(radius=0.12), proposal_net=dict(score_scale=12.5)),
)
