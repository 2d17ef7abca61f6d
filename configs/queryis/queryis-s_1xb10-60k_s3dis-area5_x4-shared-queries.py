# Test only: rooms in four interleaved quarters, each as dense as the training samples, with the
# queries of the first. Weights: those of the leaf below.
_base_ = 'queryis-s_1xb10-60k_s3dis-area5.py'
model = dict(test_strategy=dict(type='SharedQueries', splits=4))
