# adamw-poly_150k.py with 0.3 of the rate for neck and head, but not for the queries and for the
# part of the head that supervises points. A key in custom_keys replaces mmengine's rules for norms
# and biases, so there these have weight decay as well.
_base_ = 'adamw-poly_150k.py'
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys={
            'neck': dict(lr_mult=0.3),
            'decode_head': dict(lr_mult=0.3),
            'decode_head.features': dict(lr_mult=1.0),
            'in_proj_bias': dict(lr_mult=0.3, decay_mult=0.0),
        }
    )
)
