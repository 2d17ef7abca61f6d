# Lowers the score of a mask that better masks of its class cover. In the parent, queries do not
# compete. The paper has no suppression and no number. Test only: use the weights of the parent.
# Changes: model.decode_head.ranking.type, weights_of
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
weights_of = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(ranking=dict(type='MatrixNMSRanking')))
