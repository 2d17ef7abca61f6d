# 3D-QueryIS+-L on ScanNetV2 with the schedule of 3D-QueryIS: batch 10, 150,000 iterations.
# Not trained yet.
_base_ = [
    '../_base_/models/queryis-plus-l.py',
    '../_base_/datasets/scannet-stuff.py',
    '../_base_/schedules/adamw-poly-slow-head_150k.py',
    '../_base_/default_runtime.py',
]
