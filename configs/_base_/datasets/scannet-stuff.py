# ScanNet v2 as in scannet.py, where training samples also tell wall and floor from points that
# nobody annotated: for methods that group points by their predicted class.
_base_ = 'scannet.py'
train_pipeline = [
    *_base_.train_pipeline[:3],
    # Around PointSegClassMapping and SelectInstances.
    dict(type='LabelStuff', transforms=[*_base_.train_pipeline[3:5]]),
    *_base_.train_pipeline[5:],
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
