# HAIS-S reduced like the demo of 3D-QueryIS, with the same data, iterations and sizes.
_base_ = [
    '../_base_/models/hais-s_demo.py',
    '../_base_/datasets/scannet-stuff_demo.py',
    '../_base_/schedules/adamw-poly_demo.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(prepare_iters=1000, mask_iters=2000))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1000))
