# HAIS-S on ScanNetV2 with its own schedule.
# Of its 500 epochs, proposals start at epoch 100 and mask-based scores at epoch 200.
_base_ = [
    '../_base_/models/hais-s.py',
    '../_base_/datasets/scannet-stuff.py',
    '../_base_/schedules/adam-cosine_150k.py',
    '../_base_/default_runtime.py',
]
train_dataloader = dict(batch_size=4)
model = dict(decode_head=dict(prepare_iters=30025, mask_iters=60050))
