# Trains the demo's model on one room without augmentation. If it can learn, AP gets close to 1.
_base_ = [
    '../_base_/models/queryis-plus-s_demo.py',
    '../_base_/datasets/scannet-stuff_overfit.py',
    '../_base_/schedules/adamw-poly-slow-head_overfit.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1000),
    visualization=dict(title='3D-QueryIS+ on the room that it learned'),
)
