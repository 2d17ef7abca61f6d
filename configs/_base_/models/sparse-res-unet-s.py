# The backbone of all methods, with channel unit 16 (S), and the batch preprocessor.
model = dict(
    data_preprocessor=dict(type='Det3DDataPreprocessor', non_blocking=True),
    backbone=dict(
        type='SparseResUNet', in_channels=6, base_channels=16, num_levels=7, out_strides=(1,)
    ),
)
