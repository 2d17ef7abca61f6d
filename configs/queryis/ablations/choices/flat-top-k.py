# As many pairs of a query and a class as there are queries, the most probable; the parent has a
# class for each query.
# The paper has no number. Test only: the weights of the parent serve.
# Changes: model.decode_head.ranking.type
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(ranking=dict(type='FlatTopKRanking')))
