# SoftGroup-L: same as softgroup-s_1xb4-20k_s3dis-area5, with channel unit 32.
_base_ = 'softgroup-s_1xb4-20k_s3dis-area5.py'
model = dict(
    backbone=dict(base_channels=32),
    decode_head=dict(in_channels=32, proposal_net=dict(unet=dict(base_channels=32))),
)
