# The paper's C taken literally: queries are as wide as the U-Net's finest level. The parent's width
# is 128. The paper has no number.
# Changes: model.neck.out_channels, model.decode_head.embed_dims,
#     model.decode_head.decoder.queries.embed_dims,
#     model.decode_head.decoder.layer.embed_dims
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(
    neck=dict(out_channels=16),
    decode_head=dict(
        embed_dims=16, decoder=dict(queries=dict(embed_dims=16), layer=dict(embed_dims=16))
    ),
)
