# The paper's C read to the letter: queries as wide as the U-Net's finest level.
# The paper has no number. The parent's width is 128.
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
