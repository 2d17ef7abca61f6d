# SoftGroup-S on ScanNetV2 with its own schedule.
# Proposals start after a fifth of the iterations; the original starts from a trained backbone.
_base_ = [
    '../_base_/models/softgroup-s.py',
    '../_base_/datasets/scannet-stuff.py',
    '../_base_/schedules/adam-cosine_154k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(decode_head=dict(prepare_iters=30746))
