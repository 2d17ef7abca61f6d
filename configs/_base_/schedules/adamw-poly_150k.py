# 3D-QueryIS, Sec. 4: AdamW, learning rate 1e-3, polynomial decay, 150,000 iterations, batch 10.
# The paper does not specify the power of 0.9 (from the code bases that it cites), the warm-up and
# gradient clipping (the rate is high for a transformer), or the weight decay: 0.01, AdamW's
# default, but none on norms, biases and queries.
optim_wrapper = dict(
    type='OptimWrapper',
    constructor='MergedGroupsConstructor',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.999), weight_decay=0.01, fused=True),
    clip_grad=dict(max_norm=10, norm_type=2),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        bias_decay_mult=0.0,
        custom_keys={
            'queries.embedding': dict(decay_mult=0.0),
            'in_proj_bias': dict(decay_mult=0.0),
        },
    ),
)

# The two schedulers multiply: warm-up scales the decaying rate.
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1500),
    dict(type='PolyLR', power=0.9, eta_min=0.0, by_epoch=False, begin=0, end=150000),
]

train_cfg = dict(type='DrawBasedTrainLoop', max_iters=150000, val_interval=10000)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

auto_scale_lr = dict(enable=False, base_batch_size=10)
