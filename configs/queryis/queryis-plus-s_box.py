# 3D-QueryIS+-S on made rooms that look scanned, for scans of any kind.
# Not trained yet.
_base_ = [
    '../_base_/models/queryis-plus-s_box.py',
    '../_base_/datasets/scannet-stuff_box.py',
    '../_base_/schedules/adamw-poly-slow-head_box.py',
    '../_base_/default_runtime.py',
]
default_hooks = dict(checkpoint=dict(interval=500))
