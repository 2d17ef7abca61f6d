# 3D-QueryIS+-S for 5 cm voxels, with fewer levels and queries: weights of 7 MB in half precision.
_base_ = 'queryis-plus-s.py'
model = dict(
    backbone=dict(num_levels=5),
    decode_head=dict(decoder=dict(queries=dict(num_queries=60))),
)
