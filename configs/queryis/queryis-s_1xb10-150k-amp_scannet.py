# 3D-QueryIS-S in mixed precision, on a GPU. Maps, masks, matching and losses stay in float32.
_base_ = 'queryis-s_1xb10-150k_scannet.py'
optim_wrapper = dict(type='AmpOptimWrapper')
