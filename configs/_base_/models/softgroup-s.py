# SoftGroup with channel unit 16 (S), on the backbone of 3D-QueryIS.
# The table is HAIS's for ScanNet v2, which SoftGroup adopts: the mean number of points of an object
# per class. For other data, tools/check_dataset.py writes it.
_base_ = 'grouping-s.py'
model = dict(
    decode_head=dict(
        type='SoftGroupHead',
        grouping=dict(
            type='SoftGrouping',
            class_points=[
                3917,
                12056,
                2303,
                8331,
                3948,
                3166,
                5629,
                11719,
                1003,
                3317,
                4912,
                10221,
                3889,
                4136,
                2120,
                945,
                3967,
                2589,
            ],
            radius=0.04,
        ),
        ranking=dict(min_points=100),
    )
)
made_rooms = dict(class_tables=['decode_head.grouping.class_points'])
