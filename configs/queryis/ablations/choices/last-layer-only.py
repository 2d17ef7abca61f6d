# No losses on the earlier decoder layers; the paper does not mention any. The paper has no number.
# The parent supervises all three.
# Changes: model.decode_head.supervised_layers
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(supervised_layers=[2]))
