# Queries read an even choice of at most 512 rows. In the parent 16,384, so all rows of a made room,
# and one of seven in a scan of 110,000 voxels. Test only: use the weights of the parent.
# Changes: model.decode_head.reading_rows, weights_of
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
weights_of = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(reading_rows=512))
