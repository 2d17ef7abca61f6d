# Table 4, "Random": 39.3 AP / 59.9 AP50 in the paper; the full model has 41.5 AP / 63.3 AP50.
# Keys and values are J random voxels of the level.
# Changes: model.neck.type, model.neck.maps
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(
    neck=dict(
        _delete_=True,
        type='RandomVoxelsNeck',
        in_channels=48,
        out_channels=128,
        stride=4,
        num_points=2000,
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
    )
)
