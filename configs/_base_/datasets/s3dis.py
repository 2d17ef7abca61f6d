# S3DIS, 13 classes, trained on five areas and tested on Area 5. `python tools/prepare_s3dis.py`
# writes the data to $INSSEG3D_DATA/s3dis, by default data/s3dis next to configs/.
#
# The pipeline differs from ScanNet's in two ways: each visit takes a random quarter of the points,
# because the rooms are dense and large, and the crop moves in coarser steps (64 voxels).
# To train another fold of the six-fold protocol, as configs/queryis/*_s3dis-area*.py do, set
#     train_dataloader = dict(dataset=dict(areas=(2, 3, 4, 5, 6)))
#     val_dataloader = dict(dataset=dict(areas=(1,)))
#     test_dataloader = dict(dataset=dict(areas=(1,)))
# in a leaf, or pass --cfg-options train_dataloader.dataset.areas="(2,3,4,5,6)" and so on.
_base_ = 'scannet.py'
import os  # noqa: E402

data_root = os.path.join(
    os.environ.get('INSSEG3D_DATA', os.path.abspath('{{ fileDirname }}/../../../data')), 's3dis'
)

subsample = dict(type='RandomSubsample', ratio=0.25)
crop = dict(type='CropToMaxPoints', max_points=250_000, step=1.28)
augment = [
    subsample,
    *_base_.normalize,
    _base_.random_matrix,
    _base_.elastic,
    crop,
    _base_.relabel,
    _base_.color_shift,
]
train_transforms = [_base_.load_points, *_base_.load_annotations, *augment]
train_pipeline = [*train_transforms, _base_.pack, _base_.voxels]
ann_file = 's3dis_infos_Area_{area}.pkl'

train_dataloader = dict(
    dataset=dict(
        type='S3DISInstanceSegDataset',
        data_root=data_root,
        ann_file=ann_file,
        areas=(1, 2, 3, 4, 6),
        pipeline=train_pipeline,
    )
)
val_dataloader = dict(
    dataset=dict(type='S3DISInstanceSegDataset', data_root=data_root, ann_file=ann_file, areas=(5,))
)
test_dataloader = val_dataloader

# AP of the 13 classes, and coverage, precision and recall (docs/evaluation.md).
val_evaluator = dict(type='CoverageInsSegMetric', score_threshold=0.3)
test_evaluator = val_evaluator
