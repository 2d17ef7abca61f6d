# Places and votes are described by their coordinates alone, without sines and cosines of them.
# Changes: model.decode_head.features.position.wavelengths,
#     model.decode_head.features.votes.wavelengths,
#     model.decode_head.decoder.position.wavelengths, model.decode_head.decoder.reading_channels,
#     model.decode_head.quality.reading_channels
_base_ = '../../queryis-plus-s_1xb10-150k_scannet.py'
model = dict(
    decode_head=dict(
        features=dict(position=dict(wavelengths=()), votes=dict(wavelengths=())),
        decoder=dict(reading_channels=54, position=dict(wavelengths=())),
        quality=dict(reading_channels=54),
    )
)
