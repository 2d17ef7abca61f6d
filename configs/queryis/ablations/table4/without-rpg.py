# Table 4, "w/o RPG": 39.0 AP / 59.9 AP50 in the paper; the full model has 41.5 AP / 63.3 AP50.
# Keys and values are all voxels of the level.
# Changes: model.neck.type, model.neck.num_points, model.neck.maps
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(
    neck=dict(
        _delete_=True,
        type='AllVoxelsNeck',
        in_channels=48,
        out_channels=128,
        stride=4,
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
    )
)
