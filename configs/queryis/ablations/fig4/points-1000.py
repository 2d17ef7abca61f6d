# Fig. 4b, J = 1000: the paper has a curve only, without numbers.
# The number of representative points.
# Changes: model.neck.num_points
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(num_points=1000))
