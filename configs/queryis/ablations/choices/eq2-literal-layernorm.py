# Eq. 2 as printed, followed by LayerNorm. The paper has no number.
# Changes: model.neck.maps.type
_base_ = '../../queryis-s_1xb10-150k_scannet.py'
model = dict(neck=dict(maps=dict(type='LiteralMaps')))
