# The schedule of 3D-QueryIS: neck and head have the rate of the backbone. The parent has 0.3 of it,
# and weight decay also on their norms and biases. Not in the paper.
# Changes: optim_wrapper.paramwise_cfg.custom_keys.neck,
#     optim_wrapper.paramwise_cfg.custom_keys.decode_head,
#     optim_wrapper.paramwise_cfg.custom_keys.decode_head.features,
#     optim_wrapper.paramwise_cfg.custom_keys.in_proj_bias.lr_mult
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            '_delete_': True,
            'queries.embedding': dict(decay_mult=0.0),
            'in_proj_bias': dict(decay_mult=0.0),
        }
    )
)
