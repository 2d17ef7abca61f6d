# SoftGroup-S for the 13 classes of S3DIS; ceiling and floor are one object each.
# Points are SoftGroup's table for S3DIS, measured on training samples with a quarter of the points.
_base_ = 'softgroup-s.py'
model = dict(
    decode_head=dict(
        num_classes=13,
        whole_classes=(0, 1),
        grouping=dict(
            class_points=[
                34229,
                39796,
                12210,
                7457,
                5439,
                10225,
                6016,
                5092,
                1724,
                5279,
                7424,
                6189,
                1823,
            ],
            train_share=0.25,
        ),
        pointwise=dict(num_stuff=0),
    )
)
