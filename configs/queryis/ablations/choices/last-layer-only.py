# Supervises the last decoder layer only; the paper mentions no losses on earlier layers. The parent
# supervises all three layers. The paper has no number.
# Changes: model.decode_head.supervised_layers
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(supervised_layers=[2]))
