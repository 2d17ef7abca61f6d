# HAIS with channel unit 16 (S), on the backbone of 3D-QueryIS.
# Both tables are HAIS's own for ScanNet v2: the mean number of points and the mean radius (metres)
# of an object per class. For other data, tools/check_dataset.py writes them.
_base_ = 'grouping-s.py'
model = dict(
    decode_head=dict(
        type='HAISHead',
        grouping=dict(
            type='HierarchicalGrouping',
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
            class_radii=[
                0.7048,
                1.1733,
                0.3964,
                1.0115,
                0.7260,
                0.8675,
                0.8375,
                1.0454,
                0.3288,
                1.1955,
                0.8629,
                1.0416,
                0.6603,
                0.8541,
                0.3806,
                0.3012,
                0.7421,
                0.4474,
            ],
            radius=0.03,
        ),
        ranking=dict(min_points=100, score_thr=0.09),
    )
)
made_rooms = dict(
    class_tables=['decode_head.grouping.class_points', 'decode_head.grouping.class_radii']
)
