# 3D-QueryIS-S in mixed precision on a GPU. Backbone and decoder compute in half precision; pooling
# by maps, classes, masks, matching, losses and scores stay in float32.
_base_ = 'queryis-s_1xb10-150k_scannet.py'
optim_wrapper = dict(type='AmpOptimWrapper')
