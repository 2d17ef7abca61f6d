# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""An interrupted training resumes at once, as if it had not been interrupted."""

import hashlib
import multiprocessing
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmdet3d.registry import TRANSFORMS
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.registry import LOOPS
from mmengine.runner import IterBasedTrainLoop, Runner
from torch.utils.data import DataLoader

from insseg3d.datasets import ScanNetInsSegDataset
from insseg3d.engine import DrawBasedTrainLoop, DrawSampler, sampler

from ..test_datasets.config import load_config

NUM_SCENES, BATCH, MAX_ITERS, STOP = 5, 2, 7, 4


@TRANSFORMS.register_module(name='LogReadForTest')
class LogRead(BaseTransform):
    """Transform that records in a file that a scene is read; works in workers, too."""

    def __init__(self, path):
        self.path = path

    def transform(self, results):
        with open(self.path, 'a') as file:
            file.write(f'{results["sample_idx"]}\n')
        return results


@pytest.fixture
def data(tmp_path):
    """Write prepared scenes with 60 random points and 3 objects each."""
    rng = np.random.default_rng(0)
    entries = []
    for number in range(NUM_SCENES):
        name = f'scene{number:04d}_00.bin'
        points = rng.uniform(0, 3, (60, 6)).astype(np.float32)
        points[:, 3:] *= 80
        instance = rng.integers(0, 4, 60)
        semantic = np.array([0, 5, 7, 3])[instance]
        for kind, array in (
            ('points', points),
            ('instance_mask', instance),
            ('semantic_mask', semantic),
        ):
            (tmp_path / kind).mkdir(exist_ok=True)
            array.tofile(tmp_path / kind / name)
        entries.append(
            {
                'lidar_points': {'num_pts_feats': 6, 'lidar_path': name},
                'pts_instance_mask_path': name,
                'pts_semantic_mask_path': name,
            }
        )
    (tmp_path / 'infos.pkl').write_bytes(pickle.dumps({'metainfo': {}, 'data_list': entries}))
    return tmp_path


def dataset_config(root, log):
    pipeline = load_config()['train_pipeline']
    crop = next(transform for transform in pipeline if transform['type'] == 'CropToMaxPoints')
    crop.update(max_points=50, window=3.0, step=0.2, min_points=5)
    pipeline.insert(0, {'type': 'LogReadForTest', 'path': str(log)})
    return {
        'type': 'ScanNetInsSegDataset',
        'data_root': str(root),
        'ann_file': 'infos.pkl',
        'pipeline': pipeline,
    }


def digest(points, data_sample):
    """Compute a fingerprint of a whole sample, to the last bit."""
    tensors = [points, *(data_sample.voxels.get(key) for key in sorted(data_sample.voxels.keys()))]
    tensors += [data_sample.gt_instances_3d.labels_3d, data_sample.gt_pts_seg.pts_instance_mask]
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(tensor.numpy().tobytes())
    return sha.hexdigest()[:12]


class Watcher(BaseModel):
    """Model that records its samples."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []

    def forward(self, inputs, data_samples, mode):
        self.seen.append([digest(*pair) for pair in zip(inputs['points'], data_samples)])
        return {'loss': self.weight * sum(points.sum() for points in inputs['points'])}


def make_runner(data, name, *, workers=0, seed=3, resume_from=None, loop=None, **randomness):
    work_dir = data / name
    work_dir.mkdir(exist_ok=True)
    return Runner(
        model=Watcher(),
        work_dir=str(work_dir),
        train_dataloader={
            'batch_size': BATCH,
            'num_workers': workers,
            'persistent_workers': workers > 0,
            'sampler': {'type': 'DrawSampler'},
            'dataset': dataset_config(data, work_dir / 'reads.txt'),
        },
        train_cfg={'type': 'DrawBasedTrainLoop', 'max_iters': MAX_ITERS, **(loop or {})},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.1}},
        default_hooks={
            'checkpoint': {'type': 'CheckpointHook', 'interval': STOP, 'by_epoch': False},
            'logger': {'type': 'LoggerHook', 'interval': 1000},
        },
        load_from=resume_from,
        resume=resume_from is not None,
        randomness={'seed': seed, **randomness},
        default_scope='mmdet3d',
        experiment_name=f'{name}{os.path.basename(data)}',
        log_level='ERROR',
    )


def train(runner):
    runner.train()
    if (
        runner.train_dataloader._iterator is not None
    ):  # otherwise the garbage collector waits for workers
        runner.train_dataloader._iterator._shutdown_workers()
    reads = (Path(runner.work_dir) / 'reads.txt').read_text().splitlines()
    return runner.model.seen, len(reads)


@pytest.mark.parametrize('workers', [0, 2])
def test_resumed_training_sees_the_samples_of_an_uninterrupted_one(data, workers):
    whole, _ = train(make_runner(data, 'whole'))
    assert len(whole) == MAX_ITERS and len({s for batch in whole for s in batch}) == 2 * MAX_ITERS
    checkpoint = str(data / 'whole' / f'iter_{STOP}.pth')
    # With another seed or none in the config, that of the checkpoint is used.
    runner = make_runner(data, 'resumed', workers=workers, seed=None, resume_from=checkpoint)
    resumed, num_reads = train(runner)
    assert resumed == whole[STOP:]
    assert runner.train_loop.iter == MAX_ITERS
    if workers == 0:
        assert num_reads == BATCH * (MAX_ITERS - STOP)
    else:  # workers prefetch up to this many batches
        assert num_reads <= BATCH * (MAX_ITERS - STOP + 2 * workers + workers)


def test_workers_make_the_samples_that_the_main_process_makes(data):
    alone, num_reads = train(make_runner(data, 'alone'))
    assert num_reads == BATCH * MAX_ITERS
    assert train(make_runner(data, 'workers', workers=2))[0] == alone


def test_nothing_is_read_before_training_starts(data):
    runner = make_runner(data, 'early', workers=2)
    loop = runner.build_train_loop(runner._train_loop)
    assert isinstance(loop, DrawBasedTrainLoop)
    assert not multiprocessing.active_children()  # without workers, nothing is prefetched
    assert not (data / 'early' / 'reads.txt').exists()


def test_resume_late_in_a_long_training_is_immediate(data):
    train(make_runner(data, 'whole'))
    checkpoint = torch.load(data / 'whole' / f'iter_{STOP}.pth', weights_only=False)
    checkpoint['meta']['iter'] = 100_000
    torch.save(checkpoint, data / 'late.pth')
    runner = make_runner(
        data, 'late', resume_from=str(data / 'late.pth'), loop={'max_iters': 100_003}
    )
    _, num_reads = train(runner)
    assert num_reads == 3 * BATCH
    assert runner.train_dataloader.sampler.start == 100_000 * BATCH


def test_processes_share_the_samples_of_one(data, monkeypatch):
    """Every draw is the same sample for any number of processes and workers."""
    samples = {}
    for world_size in (1, 2):
        for rank in range(world_size):
            monkeypatch.setattr(sampler, 'get_dist_info', lambda info=(rank, world_size): info)
            config = dataset_config(data, data / 'log.txt')
            config.pop('type')
            dataset = ScanNetInsSegDataset(**config)
            loader = DataLoader(
                dataset,
                batch_size=2,
                sampler=DrawSampler(dataset, seed=1),
                num_workers=world_size - 1,
                collate_fn=pseudo_collate,
            )
            made = []
            for batch in loader:
                made += map(digest, batch['inputs']['points'], batch['data_samples'])
                if len(made) >= 12 // world_size:
                    break
            samples[world_size, rank] = made
    interleaved = [s for pair in zip(samples[2, 0], samples[2, 1]) for s in pair]
    assert interleaved == samples[1, 0]


def test_sampler_keeps_a_seed_of_its_own(data):
    runner = make_runner(data, 'own', seed=3)
    runner._train_dataloader['sampler']['seed'] = 11
    runner.train()
    assert runner.train_dataloader.sampler.seed == 11


def test_different_seeds_per_process_leave_the_draws_common(data):
    runner = make_runner(data, 'diff', seed=3, diff_rank_seed=True)
    same, _ = train(make_runner(data, 'same', seed=3))
    assert train(runner)[0] == same


def test_other_sampler_is_refused_with_the_remedy(data):
    runner = make_runner(data, 'other')
    runner._train_dataloader['sampler'] = {'type': 'InfiniteSampler'}
    with pytest.raises(TypeError, match='DrawSampler.*InfiniteSampler'):
        runner.train()


def test_misspelt_key_is_named(data):
    runner = make_runner(data, 'misspelt', loop={'max_iter': 3})
    with pytest.raises(TypeError, match='max_iter'):
        runner.train()


def test_loop_is_the_stock_one_apart_from_resuming():
    assert LOOPS.get('DrawBasedTrainLoop') is DrawBasedTrainLoop
    assert issubclass(DrawBasedTrainLoop, IterBasedTrainLoop)
