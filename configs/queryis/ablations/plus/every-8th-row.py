# Queries read every eighth row of a scene, in the parent all rows of a made room and every seventh
# of a scan of 110,000 voxels. Test only: use the weights of the parent.
# Changes: model.decode_head.reading_rows, weights_of
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
weights_of = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(reading_rows=1))
