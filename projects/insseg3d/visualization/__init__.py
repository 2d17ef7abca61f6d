# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Pictures of scans and their objects: PLY files, PNG views and pages for the browser."""

from ..structures import InstanceMap
from .image_hook import SceneImageHook
from .page_hook import ScenePageHook
from .palette import instance_palette
from .ply import write_instance_ply
from .render import render_views, save_png
from .scene import Comparison, Scene, compare
from .scene_page import write_scene_page

__all__ = [
    'Comparison',
    'InstanceMap',
    'Scene',
    'SceneImageHook',
    'ScenePageHook',
    'compare',
    'instance_palette',
    'render_views',
    'save_png',
    'write_instance_ply',
    'write_scene_page',
]
