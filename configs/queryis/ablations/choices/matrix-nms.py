# Scores of masks that better ones of their class cover are lowered; in the parent queries do not
# compete. The paper has no suppression and no number. Test only: the weights of the parent serve.
# Changes: model.decode_head.ranking.type
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(ranking=dict(type='MatrixNMSRanking')))
