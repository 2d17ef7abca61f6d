# Test only: splits each room into four interleaved quarters, each as dense as the training samples.
# Queries read under their masks in all of them. Use the weights of the leaf below.
_base_ = 'queryis-plus-s_1xb10-60k_s3dis-area5.py'
model = dict(test_strategy=dict(type='SharedQueries', splits=4))
