# Settings that all runs share. The schedules set iteration counts, the models their imports.
default_scope = 'mmdet3d'

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=5000, max_keep_ckpts=3),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    # Writes pages of a test run: tools/test.py --show-dir, or out_file.
    visualization=dict(type='ScenePageHook'),
    # Sends views of validation scenes to TensorBoard or its like, where the visualizer has one.
    scene_images=dict(type='SceneImageHook'),
    # Here, not in custom_hooks: a leaf that sets that list replaces it as a whole.
    consistency=dict(type='ConsistencyHook'),
    # With several processes: one set of running means and variances, validated and saved.
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
