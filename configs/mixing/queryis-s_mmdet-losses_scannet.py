# QueryIS with mmdet's losses and match costs. These count voxels; this project's own count points.
# Not in the paper.
_base_ = '../queryis/queryis-s_1xb10-150k_scannet.py'
mask_cost = dict(type='DenseMatchCost', needs_masks=True)
costs = [
    dict(type='DenseMatchCost', cost=dict(type='mmdet.ClassificationCost', weight=2.0)),
    dict(cost=dict(type='mmdet.CrossEntropyLossCost', weight=5.0), **mask_cost),
    dict(cost=dict(type='mmdet.DiceCost', pred_act=True, eps=1.0, weight=5.0), **mask_cost),
]
bce = dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=5.0)
dice = dict(type='mmdet.DiceLoss', naive_dice=True, eps=1.0, loss_weight=5.0)
model = dict(
    decode_head=dict(
        assigner=dict(match_costs=costs),
        mask_losses=dict(
            bce=dict(_delete_=True, type='DenseMaskLoss', loss=bce),
            dice=dict(_delete_=True, type='DenseMaskLoss', loss=dice),
        ),
    )
)
