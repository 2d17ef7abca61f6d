# SoftGroup-S for voxels of 8 cm: all lengths are four times those for voxels of 2 cm.
# Tables: from tools/check_dataset.py on the 400 training rooms of the demo.
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
