# Fig. 4a, K = 100: the paper has a curve only, without numbers. The default: 41.5 AP / 63.3 AP50.
# The number of queries.
# Changes: nothing
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(decoder=dict(queries=dict(num_queries=100))))
