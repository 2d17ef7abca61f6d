# PointGroup-S on ScanNetV2 with the budget and schedule of 3D-QueryIS.
# Scores start after a third of the iterations, as in the original.
_base_ = [
    '../_base_/models/pointgroup-s.py',
    '../_base_/datasets/scannet-stuff.py',
    '../_base_/schedules/adamw-poly_150k.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(prepare_iters=50000))
