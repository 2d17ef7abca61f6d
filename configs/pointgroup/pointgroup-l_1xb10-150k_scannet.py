# PointGroup-L: same as pointgroup-s_1xb10-150k_scannet, with channel unit 32.
_base_ = 'pointgroup-s_1xb10-150k_scannet.py'
model = dict(
    backbone=dict(base_channels=32),
    decode_head=dict(in_channels=32, proposal_net=dict(unet=dict(base_channels=32))),
)
