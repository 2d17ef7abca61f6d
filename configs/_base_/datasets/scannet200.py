# ScanNet200, 198 instance classes. Differs from ScanNet in its folder, dataset type and info files.
# `python tools/prepare_scannet.py --label-set scannet200` writes the data to
# $INSSEG3D_DATA/scannet200, by default data/scannet200 next to configs/.
_base_ = 'scannet.py'
import os  # noqa: E402

data_root = os.path.join(
    os.environ.get('INSSEG3D_DATA', os.path.abspath('{{ fileDirname }}/../../../data')),
    'scannet200',
)

train_dataloader = dict(
    dataset=dict(
        type='ScanNet200InsSegDataset',
        data_root=data_root,
        ann_file='scannet200_infos_train.pkl',
    )
)
val_dataloader = dict(
    dataset=dict(
        type='ScanNet200InsSegDataset',
        data_root=data_root,
        ann_file='scannet200_infos_val.pkl',
    )
)
test_dataloader = val_dataloader
