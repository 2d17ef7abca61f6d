# 3D-QueryIS-L on ScanNetV2 with the paper's schedule: batch 10, 150,000 iterations.
# Table 1, 3D-QueryIS-L: 46.2 AP / 66.8 AP50 in the paper.
_base_ = [
    '../_base_/models/queryis-l.py',
    '../_base_/datasets/scannet.py',
    '../_base_/schedules/adamw-poly_150k.py',
    '../_base_/default_runtime.py',
]
