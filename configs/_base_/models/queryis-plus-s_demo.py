# 3D-QueryIS+-S for 8 cm voxels, with fewer levels and queries, and half the width.
_base_ = 'queryis-plus-s.py'
model = dict(
    backbone=dict(num_levels=5),
    decode_head=dict(
        embed_dims=64,
        pilots=dict(embed_dims=64),
        quality=dict(embed_dims=64),
        decoder=dict(
            embed_dims=64,
            queries=dict(num_queries=40, embed_dims=64),
            layer=dict(embed_dims=64),
        ),
    ),
)
