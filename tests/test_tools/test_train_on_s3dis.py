# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
import re


def test_trains_on_five_areas_and_tests_on_any(run_tool, tiny_s3dis_config, tmp_path):
    one_step = ['--cfg-options', 'train_cfg.max_iters=1', 'default_hooks.checkpoint.interval=1']
    result = run_tool('train.py', tiny_s3dis_config, '--work-dir', 'work', *one_step)
    assert 'Iter(train) [1/1]' in result.stdout
    assert float(re.search(r'loss: (\S+)', result.stdout)[1]) > 0
    checkpoint = tmp_path / 'work' / 'iter_1.pth'
    result = run_tool(
        'test.py',
        tiny_s3dis_config,
        checkpoint,
        '--work-dir',
        'work',
        '--cfg-options',
        'test_dataloader.dataset.areas=1,6',
    )
    assert 'Iter(test) [2/2]' in result.stdout
    # All classes of the two rooms are in the table, also the one with id 0.
    assert 'ceiling' in result.stdout and 'clutter' in result.stdout
