# No pilots: all queries of the training are matched with objects. Not in the paper.
# Changes: model.decode_head.pilots
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(pilots=None))
