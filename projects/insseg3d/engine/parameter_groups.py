# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""An optimiser with few parameter groups."""

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class MergedGroupsConstructor(DefaultOptimWrapperConstructor):
    """mmengine's constructor, but parameters with the same options share a group.

    With ``paramwise_cfg``, the stock constructor makes one group per parameter. An optimiser
    works group by group, in hundreds of small steps instead of a few large ones.

    If torch has no fused step of the optimiser for the model's device, ``optimizer.fused=True`` is
    dropped with a message in the log. The results are the same.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        try:
            return super().__call__(model)
        except (RuntimeError, TypeError) as error:
            # Fused steps on CPUs exist since torch 2.4. The version is not compared, because
            # support depends on the device and the optimiser.
            if not self.optimizer_cfg.get('fused') or 'fused' not in str(error):
                raise
        print_log(
            f'optim_wrapper.optimizer.fused: this torch has no fused {self.optimizer_cfg["type"]} '
            "for the model's device; the optimiser is not fused, with the same results",
            logger='current',
        )
        self.optimizer_cfg = {k: v for k, v in self.optimizer_cfg.items() if k != 'fused'}
        return super().__call__(model)

    def add_params(
        self,
        params: list[dict],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Add a module's parameters; the outermost call merges the groups of all modules."""
        super().add_params(params, module, prefix=prefix, is_dcn_module=is_dcn_module)
        if prefix:
            return
        merged = []
        for group in params:
            options = {key: value for key, value in group.items() if key != 'params'}
            for known, members in merged:
                if known == options:
                    members += group['params']
                    break
            else:
                merged.append((options, list(group['params'])))
        params[:] = [dict(options, params=members) for options, members in merged]
