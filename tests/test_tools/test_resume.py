# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""A training that was killed goes on as if nothing had happened."""

import signal
import time

MAX_ITERS = 6


def wait_for(path, text, process, seconds=200):
    end = time.monotonic() + seconds
    while not (path.is_file() and path.read_text().endswith(text)):
        assert process.poll() is None, 'the training ended before it could be killed'
        assert time.monotonic() < end, f'{path} did not come to name {text}'
        time.sleep(0.05)


def test_resume_after_kill_gives_the_losses_of_an_uninterrupted_run(
    run_tool, read_losses, tiny_config, tmp_path
):
    long = ['--cfg-options', f'train_cfg.max_iters={MAX_ITERS}']
    run_tool('train.py', tiny_config, '--work-dir', 'whole', *long)
    whole = read_losses(tmp_path / 'whole')
    assert sorted(whole) == list(range(1, MAX_ITERS + 1))
    assert len({row['loss'] for row in whole.values()}) == MAX_ITERS

    # Far more iterations than it will be given time for. The schedule does not depend on them.
    process = run_tool(
        'train.py',
        tiny_config,
        '--work-dir',
        'killed',
        '--cfg-options',
        'train_cfg.max_iters=100000',
        start=True,
    )
    try:
        wait_for(tmp_path / 'killed' / 'last_checkpoint', '.pth', process)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    # Go back to the first checkpoint, however far it came, so that there is something left to do.
    checkpoint = tmp_path / 'killed' / 'iter_2.pth'
    (tmp_path / 'killed' / 'last_checkpoint').write_text(str(checkpoint))

    log_of_killed_run = set((tmp_path / 'killed').glob('*/vis_data/scalars.json'))

    run_tool('train.py', tiny_config, '--work-dir', 'killed', '--resume', *long)
    for path in log_of_killed_run:
        path.unlink()
    resumed = read_losses(tmp_path / 'killed')
    assert resumed == {iteration: whole[iteration] for iteration in range(3, MAX_ITERS + 1)}
