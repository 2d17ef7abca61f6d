# Each channel is normalised over the representative points of a scene, which keeps them apart. The
# parent normalises each point over its channels. The paper has no number.
# Changes: model.neck.post_norm.type
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(post_norm=dict(type='PointInstanceNorm')))
