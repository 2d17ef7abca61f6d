# The paper's C taken literally for L. The paper has no number.
# Changes: model.neck.out_channels, model.decode_head.embed_dims,
#     model.decode_head.decoder.queries.embed_dims, model.decode_head.decoder.layer.embed_dims
_base_ = '../../queryis-l_1xb10-150k_scannet.py'
model = dict(
    neck=dict(out_channels=32),
    decode_head=dict(
        embed_dims=32, decoder=dict(queries=dict(embed_dims=32), layer=dict(embed_dims=32))
    ),
)
