# Test only: splits each room into four interleaved quarters, each as dense as the training samples,
# and uses the queries of the first for all. Use the weights of the leaf below.
_base_ = 'queryis-s_1xb10-60k_s3dis-area5.py'
model = dict(test_strategy=dict(type='SharedQueries', splits=4))
