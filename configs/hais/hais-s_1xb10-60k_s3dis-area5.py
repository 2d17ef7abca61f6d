# HAIS-S on S3DIS, tested on Area 5, with the budget and schedule of 3D-QueryIS.
# Proposals start after a fifth of the iterations and mask-based scores after two fifths, as in the
# original.
_base_ = [
    '../_base_/models/hais-s_s3dis.py',
    '../_base_/datasets/s3dis.py',
    '../_base_/schedules/adamw-poly_60k.py',
    '../_base_/default_runtime.py',
]
model = dict(decode_head=dict(prepare_iters=12000, mask_iters=24000))
