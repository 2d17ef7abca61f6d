# 3D-QueryIS-S on ScanNetV2 with the paper's schedule: batch 10, 150,000 iterations.
# Table 1, 3D-QueryIS-S: 41.5 AP / 63.3 AP50 in the paper.
_base_ = [
    '../_base_/models/queryis-s.py',
    '../_base_/datasets/scannet.py',
    '../_base_/schedules/adamw-poly_150k.py',
    '../_base_/default_runtime.py',
]
