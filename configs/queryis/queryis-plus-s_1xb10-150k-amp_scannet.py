# 3D-QueryIS+-S in mixed precision on a GPU. Backbone and decoder compute in half precision; the
# point-wise head, means under masks, and all that stays in float32 in 3D-QueryIS do so here, too.
# Not trained yet.
_base_ = 'queryis-plus-s_1xb10-150k_scannet.py'
optim_wrapper = dict(type='AmpOptimWrapper')
