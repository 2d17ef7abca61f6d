# Table 4, "FPS": 40.1 AP / 61.1 AP50 in the paper; the full model has 41.5 AP / 63.3 AP50.
# Keys and values are J voxels of the level, chosen by farthest point sampling.
# Changes: model.neck.type, model.neck.maps
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(
    neck=dict(
        _delete_=True,
        type='FPSNeck',
        in_channels=48,
        out_channels=128,
        stride=4,
        num_points=2000,
        mlp_norm=dict(type='LN'),
        post_norm=dict(type='LN'),
    )
)
