# Queries attend to the rows under their masks, as in Mask2Former. The parent takes the mean.
# Changes: model.decode_head.decoder.reading
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(decode_head=dict(decoder=dict(reading=dict(type='AttentionReading'))))
