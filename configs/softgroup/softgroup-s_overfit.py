# Trains the demo's model on one room without augmentation. If it can learn, AP gets close to 1.
_base_ = [
    '../_base_/models/softgroup-s_demo.py',
    '../_base_/datasets/scannet-stuff_overfit.py',
    '../_base_/schedules/adamw-poly_overfit.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(prepare_iters=160))
default_hooks = dict(logger=dict(interval=20), checkpoint=dict(interval=1000))
