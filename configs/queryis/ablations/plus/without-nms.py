# Ranks as 3D-QueryIS does, which removes no duplicates. The parent lowers the score of a mask that
# better masks of its class cover. Test only: use the weights of the parent.
# Changes: model.decode_head.ranking.type, weights_of
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
weights_of = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(ranking=dict(type='ArgmaxRanking')))
