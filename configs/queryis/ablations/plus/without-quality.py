# The score of a mask has no predicted quality, as in the paper.
# Changes: model.decode_head.quality
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(quality=None))
