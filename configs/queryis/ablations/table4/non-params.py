# Table 4, "Non-Params": 39.3 AP / 61.5 AP50 in the paper; the full model has 41.5 AP / 63.3 AP50.
# Queries are not learned: they are the features of K points chosen by farthest point sampling.
# Changes: model.decode_head.decoder.queries.type, model.decode_head.decoder.queries.in_channels
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(
    decode_head=dict(
        decoder=dict(
            queries=dict(
                _delete_=True, type='FPSQueries', num_queries=100, embed_dims=128, in_channels=16
            )
        )
    )
)
