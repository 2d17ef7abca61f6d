# Your own scans, prepared by `python tools/prepare_custom.py`; see docs/own-data.md. A leaf adds
# the classes: train_dataloader = dict(dataset=dict(classes=['chair', 'table'])), likewise for val
# and test. The data are in $INSSEG3D_DATA/custom, by default data/custom next to configs/.
_base_ = 'scannet.py'
import os  # noqa: E402

data_root = os.path.join(
    os.environ.get('INSSEG3D_DATA', os.path.abspath('{{ fileDirname }}/../../../data')), 'custom'
)

train_dataloader = dict(
    dataset=dict(type='CustomInsSegDataset', data_root=data_root, ann_file='custom_infos_train.pkl')
)
val_dataloader = dict(
    dataset=dict(type='CustomInsSegDataset', data_root=data_root, ann_file='custom_infos_val.pkl')
)
test_dataloader = val_dataloader
