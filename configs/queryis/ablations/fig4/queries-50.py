# Fig. 4a, K = 50: the paper has a curve only, without numbers.
# The number of queries.
# Changes: model.decode_head.decoder.queries.num_queries
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(decoder=dict(queries=dict(num_queries=50))))
