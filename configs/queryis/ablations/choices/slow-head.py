# Neck and head have 0.3 of the rate of the backbone, and weight decay also on their norms and
# biases. The paper has no number.
# Changes: optim_wrapper.paramwise_cfg.custom_keys.neck,
#     optim_wrapper.paramwise_cfg.custom_keys.decode_head,
#     optim_wrapper.paramwise_cfg.custom_keys.in_proj_bias.lr_mult
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(
            neck=dict(lr_mult=0.3),
            decode_head=dict(lr_mult=0.3),
            in_proj_bias=dict(lr_mult=0.3),
        )
    )
)
