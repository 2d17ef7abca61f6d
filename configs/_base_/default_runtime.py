# Settings shared by all runs. Schedules set the iteration counts; models set their imports.
default_scope = 'mmdet3d'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Writes the pages of a test run if tools/test.py --show-dir, or out_file, is given.
    visualization=dict(type='ScenePageHook'),
    # Sends views of validation scenes to the visualizer's image backends, such as TensorBoard.
    scene_images=dict(type='SceneImageHook'),
    # Not in custom_hooks, because a leaf that sets that list replaces it entirely.
    consistency=dict(type='ConsistencyHook'),
    # Gives all processes the same running means and variances before validating and saving.
    sync_buffers=dict(type='SyncSavedBuffersHook'),
)

env_cfg = dict(
    cudnn_benchmark=False,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0)
