# Eq. 2 taken literally: sums over voxels, without division or normalisation. The paper has no
# number. Training is expected to diverge at this learning rate.
# Changes: model.neck.maps.type, model.neck.post_norm
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(maps=dict(type='LiteralMaps'), post_norm=None))
