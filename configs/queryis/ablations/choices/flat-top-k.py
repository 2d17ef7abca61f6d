# Of all pairs of a query and a class, keeps the most probable, as many as there are queries. The
# parent assigns one class to each query.
# The paper has no number. Test only: use the weights of the parent.
# Changes: model.decode_head.ranking.type, weights_of
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
weights_of = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(ranking=dict(type='FlatTopKRanking')))
