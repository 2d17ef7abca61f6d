# HAIS-S for voxels of 8 cm: lengths grow with them, four times those for 2 cm.
# Tables: what tools/check_dataset.py finds in the 400 training rooms of the demo.
_base_ = 'hais-s.py'
model = dict(
    backbone=dict(num_levels=5),
    decode_head=dict(
        grouping=dict(
            class_points=[
                706, 1908, 251, 1751, 475, -1, -1, 1133, -1, -1, -1, -1, -1, -1, 261, -1, 997, -1],
            class_radii=[
                0.672, 1.172, 0.42, 1.006, 0.601, -1, -1, 0.736, -1, -1, -1, -1, -1, -1,
                0.449, -1, 0.893, -1],
            radius=0.12),
        proposal_net=dict(score_scale=12.5)))
