# Eq. 2 to the letter: sums of voxels, neither divided nor normed. The paper has no number.
# Expected to diverge at this learning rate.
# Changes: model.neck.maps.type, model.neck.post_norm
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(maps=dict(type='LiteralMaps'), post_norm=None))
