# Eq. 1 with a softmax over the voxels. The parent divides sigmoid maps by their sum.
# The paper has no number.
# Changes: model.neck.maps.type
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(maps=dict(type='SoftmaxMaps')))
