# Fig. 4b, J = 2000: the paper has a curve only, without numbers. The default: 41.5 AP / 63.3 AP50.
# The number of representative points.
# Changes: nothing
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(num_points=2000))
