# SoftGroup-S on ScanNetV2 with the budget and schedule of 3D-QueryIS.
# Proposals start after a fifth of the iterations.
_base_ = [
    '../_base_/models/softgroup-s.py',
    '../_base_/datasets/scannet-stuff.py',
    '../_base_/schedules/adamw-poly_150k.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(prepare_iters=30000))
