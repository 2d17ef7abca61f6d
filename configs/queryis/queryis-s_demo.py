# 3D-QueryIS-S, small enough to learn from made rooms on two CPU cores in about ten minutes.
_base_ = [
    '../_base_/models/queryis-s_demo.py',
    '../_base_/datasets/scannet_demo.py',
    '../_base_/schedules/adamw-poly_demo.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1000),
    visualization=dict(title='3D-QueryIS on rooms that it never saw'),
)
