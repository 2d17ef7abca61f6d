# HAIS-S for the 13 classes of S3DIS; ceiling and floor are one object each.
# Points are SoftGroup's table for S3DIS, measured on training samples with a quarter of the points.
# Radii are those of the corresponding classes of ScanNet v2. Where there is none the radius is -1,
# and only the size of the primary counts. Tables from tools/check_dataset.py are better.
_base_ = 'hais-s.py'
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
            class_radii=[
                -1,
                -1,
                -1,
                -1,
                -1,
                0.8375,
                0.8675,
                0.7260,
                0.3964,
                1.0115,
                1.0454,
                -1,
                0.4474,
            ],
            train_share=0.25,
        ),
        pointwise=dict(num_stuff=0),
    )
)
