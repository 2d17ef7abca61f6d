# 3D-QueryIS+-S reduced like the demo of 3D-QueryIS, with the same rooms and sizes, and 3,000
# iterations instead of 5,000.
_base_ = [
    '../_base_/models/queryis-plus-s_demo.py',
    '../_base_/datasets/scannet-stuff_demo.py',
    '../_base_/schedules/adamw-poly-slow-head_demo.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(
    logger=dict(interval=20),
    checkpoint=dict(interval=1000),
    visualization=dict(title='3D-QueryIS+ on rooms that it never saw'),
)
