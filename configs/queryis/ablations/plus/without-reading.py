# Queries read the scene as in the paper, only by attention to representative points. They have no
# place and no masks to compare, and pilots would have nothing to begin with.
# Changes: model.decode_head.decoder.type, model.decode_head.decoder.embed_dims,
#     model.decode_head.decoder.reading_channels, model.decode_head.decoder.position,
#     model.decode_head.decoder.relation, model.decode_head.pilots, made_rooms.widths
_base_ = 'with-rpg.py'
model = dict(
    decode_head=dict(
        decoder=dict(
            _delete_=True,
            type='QueryDecoder',
            num_layers=3,
            queries=dict(type='LearnedQueries', num_queries=100, embed_dims=128),
            layer=dict(type='QueryDecoderLayer', embed_dims=128, num_heads=4),
        ),
        pilots=None,
    )
)
made_rooms = dict(
    widths=[
        key
        for key in _base_.made_rooms.widths
        if not key.endswith(('decoder.embed_dims', 'pilots.embed_dims'))
    ]
)
