# Self-attention does not see how the masks of two queries overlap. Not in the paper.
# Changes: model.decode_head.decoder.relation
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(decoder=dict(relation=None)))
