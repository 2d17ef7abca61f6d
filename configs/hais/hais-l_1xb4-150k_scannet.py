# HAIS-L: same as hais-s_1xb4-150k_scannet, with channel unit 32.
_base_ = 'hais-s_1xb4-150k_scannet.py'
model = dict(
    backbone=dict(base_channels=32),
    decode_head=dict(in_channels=32, proposal_net=dict(unet=dict(base_channels=32))),
)
