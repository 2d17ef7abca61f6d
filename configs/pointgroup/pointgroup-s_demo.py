# PointGroup-S reduced like the demo of 3D-QueryIS, with the same data, iterations and sizes.
_base_ = [
    '../_base_/models/pointgroup-s_demo.py',
    '../_base_/datasets/scannet-stuff_demo.py',
    '../_base_/schedules/adamw-poly_demo.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(prepare_iters=1667))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1000))
