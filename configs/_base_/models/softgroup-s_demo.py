# SoftGroup-S for 8 cm voxels: all lengths are four times those for 2 cm voxels.
# The tables were written by tools/check_dataset.py for the 400 training rooms of the demo.
_base_ = 'softgroup-s.py'
model = dict(
    backbone=dict(num_levels=5),
    decode_head=dict(
        grouping=dict(
            class_points=[
                706,
                1908,
                251,
                1751,
                475,
                -1,
                -1,
                1133,
                -1,
                -1,
                -1,
                -1,
                -1,
                -1,
                261,
                -1,
                997,
                -1,
            ],
            radius=0.16,
        ),
        proposal_net=dict(score_scale=12.5),
    ),
)
