# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Backends of other packages against the torch one: spconv on a CPU with one thread and on CUDA,
spconv-triton on CUDA.

spconv's CPU code is correct with one thread only; spconv-triton has none.
"""

import contextlib
import gc
import importlib
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import insseg3d  # noqa: F401  (mmdet3d, when imported, replaces how spconv's modules load weights)
from insseg3d.layers import (
    SparseConv3d,
    SparseInverseConv3d,
    SparseTensor,
    SubMConv3d,
    backends,
    choose_backend,
    spconv_backend,
)
from insseg3d.layers.backends import MODULES, available, usable_backends
from insseg3d.layers.spconv_backend import SpconvBackend
from insseg3d.ops.sparse.conv import autocast_dtype

from .sparse_reference import random_voxels

SETTINGS = [
    ('spconv', 'cpu'),
    pytest.param(('spconv', 'cuda'), marks=pytest.mark.gpu),
    pytest.param(('triton', 'cuda'), marks=pytest.mark.gpu),
]


@pytest.fixture(params=SETTINGS, ids='-'.join)
def setting(request):
    """Return the name of a backend and a type of device on which it computes."""
    name, kind = request.param
    if kind == 'cuda' and not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    if not available(name) or kind == 'cuda' and name not in usable_backends(torch.device(kind, 0)):
        pytest.skip(f'{name} cannot compute here')
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield request.param
    torch.set_num_threads(threads)


@pytest.fixture
def package(setting):
    """Return the name of the backend."""
    return setting[0]


@pytest.fixture
def device(setting):
    """Return the type of the device."""
    return setting[1]


@pytest.fixture
def spconv(package):
    """Return the module of the package."""
    return importlib.import_module(MODULES[package])


def _layers(backend, device, dtype=torch.float32):
    torch.manual_seed(1)
    kinds = [
        (SubMConv3d, 8, 16),
        (SparseConv3d, 16, 24),
        (SubMConv3d, 24, 24),
        (SparseInverseConv3d, 24, 16),
        (SubMConv3d, 16, 16),
    ]
    return torch.nn.ModuleList(kind(i, o, backend=backend) for kind, i, o in kinds).to(
        device, dtype
    )


def _forward(layers, features, coors):
    conv, down, deep, up, last = layers
    fine = conv(SparseTensor.from_voxels(features, coors, multiple=2))
    coarse = deep(down(fine))
    return last(up(coarse, fine)).input_order(), coarse


def _run(backend, device, coors, training=True):
    torch.manual_seed(3)
    features = torch.randn(len(coors), 8).to(device).requires_grad_()
    layers = _layers(backend, device).train(training)
    out, coarse = _forward(layers, features, coors.to(device))
    factor = torch.randn(out.shape, generator=torch.Generator().manual_seed(4)).to(device)
    loss = (out * factor).sum() + coarse.features.square().sum()
    grads = torch.autograd.grad(loss, [features, *layers.parameters()])
    return [out, coarse.features, *grads], coarse.grid.coors


@pytest.mark.parametrize('training', [True, False])
def test_backends_agree(device, package, training):
    """There are gradients in eval mode, too, in which spconv itself records no graph."""
    coors = random_voxels(900, (11, 9, 13))
    ours, grid = _run('torch', device, coors, training)
    theirs, other_grid = _run(package, device, coors, training)
    assert torch.equal(grid, other_grid)
    for one, other in zip(theirs, ours, strict=True):
        assert (one - other).abs().max() < 2e-5 * other.abs().max()


def test_gradients_of_permutations_are_permutations(device, package):
    """Advanced indexing would accumulate rows in its backward pass, which is slow on CUDA."""
    out, coarse = _forward(
        _layers(package, device),
        torch.randn(300, 8, device=device),
        random_voxels(300, (9, 9, 9)).to(device),
    )
    nodes, seen = [out.grad_fn, coarse.features.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            nodes.extend(before for before, _ in node.next_functions)
    names = {node.name() for node in seen}
    assert not [name for name in names if name.startswith('Index')], names


def test_inverse_alone_makes_its_table(device, package):
    coors = random_voxels(200, (9, 9, 9)).to(device)
    results = []
    for backend in ('torch', package):
        torch.manual_seed(5)
        up = SparseInverseConv3d(8, 8, backend=backend).to(device)
        fine = SparseTensor.from_voxels(
            torch.zeros(len(coors), 8, device=device), coors, multiple=2
        )
        coarse = SparseTensor(
            torch.randn(
                fine.grid.coarse.coors.shape[0], 8, generator=torch.Generator().manual_seed(6)
            ).to(device),
            fine.grid.coarse,
        )
        results.append(up(coarse, fine).features)
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('modes', [(True, True), (False, False), (True, False), (False, True)])
def test_two_networks_on_one_grid(device, package, modes):
    """This happens with recomputed activations, or with a second model on the same voxels."""
    coors = random_voxels(300, (9, 9, 9)).to(device)
    features = torch.randn(len(coors), 8, device=device)
    results = {}
    for backend in ('torch', package):
        conv, down, deep, up, last = _layers(backend, device)
        fine = conv(SparseTensor.from_voxels(features, coors, multiple=2))
        results[backend] = []
        for grads in modes:
            with torch.set_grad_enabled(grads):
                results[backend].append(last(up(deep(down(fine)), fine)).features)
        with torch.set_grad_enabled(modes[0]):
            results[backend].append(up(deep(down(fine)), fine).features)
    for one, other in zip(results[package], results['torch'], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_inverse_after_a_submanifold_convolution_alone(device, package):
    """The mode has tables, but not that of the strided convolution."""
    coors = random_voxels(200, (9, 9, 9)).to(device)
    results = []
    for backend in ('torch', package):
        conv, down, deep, up, last = _layers(backend, device)
        features = torch.ones(len(coors), 8, device=device)
        fine = conv(SparseTensor.from_voxels(features, coors, multiple=2))
        with torch.no_grad():
            coarse = down(fine)
        results.append(up(coarse, fine).features)
    torch.testing.assert_close(*results, rtol=1e-4, atol=1e-5)


def test_inference_then_training_on_one_grid(device, package):
    """Tables made without gradients lack the half for the backward pass."""
    coors = random_voxels(300, (9, 9, 9)).to(device)
    layer = SubMConv3d(8, 8, backend=package).to(device)
    x = SparseTensor.from_voxels(torch.randn(len(coors), 8, device=device), coors)
    with torch.no_grad():
        expected = layer(x).features
    out = layer(x).features
    torch.testing.assert_close(out, expected)
    out.sum().backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('grads', [True, False])
def test_spconv_is_told_whether_gradients_are_wanted(device, spconv, package, grads, monkeypatch):
    """spconv's CUDA kernels depend on the module's mode: in eval mode, no graph, half a table."""
    told = []
    forward = spconv.SubMConv3d.forward

    def spy(self, *args, **kwargs):
        told.append(self.training)
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(spconv.SubMConv3d, 'forward', spy)
    coors = random_voxels(30).to(device)
    layer = SubMConv3d(8, 8, backend=package).to(device).train(not grads)
    x = SparseTensor.from_voxels(torch.randn(len(coors), 8, device=device), coors)
    with torch.set_grad_enabled(grads):
        layer(x)
    assert told == [grads]
    assert ('tables', grads) in x.grid.package_tables[package]
    assert ('tables', not grads) not in x.grid.package_tables[package]


def test_each_thread_computes_with_its_own_weight(device, spconv, package, monkeypatch):
    """Two threads are inside spconv at the same time, each with its own model."""
    forward, meeting = spconv.SubMConv3d.forward, threading.Barrier(2, timeout=60)

    def meet(self, *args, **kwargs):
        meeting.wait()
        return forward(self, *args, **kwargs)

    coors = random_voxels(100).to(device)
    features = torch.randn(len(coors), 8, device=device)
    layers = [SubMConv3d(8, 8, backend=package).to(device) for _ in range(2)]

    def run(layer):
        return layer(SparseTensor.from_voxels(features, coors)).features

    expected = [run(layer) for layer in layers]
    monkeypatch.setattr(spconv.SubMConv3d, 'forward', meet)
    with ThreadPoolExecutor(2) as pool:
        for one, other in zip(pool.map(run, layers), expected, strict=True):
            torch.testing.assert_close(one, other)


def test_spconv_runs_on_the_device_of_the_features(device, spconv, package, monkeypatch):
    """spconv launches on the current device, not on that of its input."""
    current, seen = [], []

    @contextlib.contextmanager
    def device_of(tensor):
        current.append(tensor.device.type)
        yield
        current.pop()

    monkeypatch.setattr(torch.cuda, 'device_of', device_of)
    monkeypatch.setattr(
        spconv.SubMConv3d, 'forward', lambda self, x: (seen.append(list(current)), x)[1]
    )
    x = SparseTensor.from_voxels(torch.ones(5, 8, device=device), random_voxels(5).to(device))
    SubMConv3d(8, 8, backend=package).to(device)(x)
    assert seen == [[device]] and not current


def test_no_weight_outlives_its_layer(device, package):
    coors = random_voxels(30).to(device)
    layer = SubMConv3d(8, 8, backend=package).to(device)
    with torch.no_grad():
        layer(SparseTensor.from_voxels(torch.randn(len(coors), 8, device=device), coors))
    weight = weakref.ref(layer.weight)
    del layer
    gc.collect()
    assert weight() is None


def test_empty_and_single_voxel(device, package):
    layers = _layers(package, device)
    for num in (0, 1):
        coors = torch.zeros(num, 4, dtype=torch.int32, device=device)
        out, _ = _forward(layers, torch.ones(num, 8, device=device), coors)
        assert out.shape == (num, 16)
        out.sum().backward()
    assert all(parameter.grad is not None for parameter in layers.parameters())


def test_bfloat16_is_not_made_float16(device, spconv, package, monkeypatch):
    """Under any autocast on CUDA spconv computes with float16; it has no kernels for bfloat16."""
    told = []
    forward = spconv.SubMConv3d.forward

    def spy(self, x):
        told.append((x.features.dtype, self.weight.dtype, autocast_dtype(device)))
        return forward(self, x)

    monkeypatch.setattr(spconv.SubMConv3d, 'forward', spy)
    coors = random_voxels(300, (9, 9, 9)).to(device)
    features = 1e5 * torch.randn(len(coors), 8, generator=torch.Generator().manual_seed(2))
    results = []
    for backend in ('torch', package):
        layers = _layers(backend, device)
        with torch.autocast(device, dtype=torch.bfloat16):
            out, _ = _forward(layers, features.to(device), coors)
        assert out.dtype == torch.bfloat16
        grads = torch.autograd.grad(out.float().sum(), list(layers.parameters()))
        results.append([out.float(), *grads])
    assert told == [(torch.float32, torch.float32, None)] * 3
    for one, other in zip(*results, strict=True):
        assert one.dtype == torch.float32
        assert (one - other).norm() < 0.03 * other.norm()


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16], ids=str)
def test_autocast_gives_the_same_dtype_on_both_backends(device, package, half, training):
    """The dtype is the same with and without a graph, for the layers after the backbone."""
    coors = random_voxels(300, (9, 9, 9)).to(device)
    features = torch.randn(len(coors), 8, device=device)
    for backend in ('torch', package):
        layers = _layers(backend, device).train(training)
        with torch.set_grad_enabled(training), torch.autocast(device, dtype=half):
            out, coarse = _forward(layers, features, coors)
        assert (out.dtype, coarse.features.dtype) == (half, half), backend


def test_without_a_graph_autocast_computes_in_float16(device, spconv, package, monkeypatch):
    """spconv itself would compute in float32: without a graph, it ignores autocast."""
    told, forward = [], spconv.SubMConv3d.forward

    def spy(self, x):
        told.append((x.features.dtype, self.weight.dtype))
        if device == 'cuda':
            return forward(self, x)
        # A CPU has no such kernels: it uses float32, and the weight does not change.
        lent, self.weight = self.weight, self.weight.float()
        with torch.autocast('cpu', enabled=False):
            out = forward(self, x.replace_feature(x.features.float()))
        self.weight = lent
        return out.replace_feature(out.features.half())

    monkeypatch.setattr(spconv.SubMConv3d, 'forward', spy)
    monkeypatch.setattr(spconv_backend, 'HALF_DEVICES', ('cpu', 'cuda'))
    coors = random_voxels(300, (9, 9, 9)).to(device)
    for channels, computed in ((8, torch.float16), (6, torch.float32)):
        features = torch.randn(len(coors), channels, device=device)
        results = []
        for backend in ('torch', package):
            torch.manual_seed(2)
            layer = SubMConv3d(channels, 16, backend=backend).to(device)
            told.clear()
            with torch.no_grad(), torch.autocast(device, dtype=torch.float16):
                results.append(layer(SparseTensor.from_voxels(features, coors)).features)
        assert told == [(computed, computed)]
        assert results[1].dtype == torch.float16
        torch.testing.assert_close(*results, rtol=2e-2, atol=2e-2)
        assert layer.weight.dtype == torch.float32


def test_same_parameters_and_state_dict():
    ours, theirs = _layers('torch', 'cpu'), _layers('spconv', 'cpu')
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }
    theirs.load_state_dict(ours.state_dict())


def test_automatic_choice_on_a_cpu():
    assert choose_backend('auto', torch.zeros(1)) == 'torch'
    assert choose_backend('triton', torch.zeros(1)) == 'triton'


@pytest.mark.parametrize(
    'installed, known, hip, name, reason',
    [
        ({'spconv', 'triton'}, True, None, 'spconv', 'has code for this GPU'),
        ({'spconv', 'triton'}, False, None, 'triton', 'no code for capability 12.0, and spconv-tr'),
        ({'spconv'}, False, None, 'torch', 'no code for capability 12.0, and spconv-triton cannot'),
        ({'triton'}, True, None, 'triton', 'spconv cannot be imported'),
        ({'spconv', 'triton'}, True, '6.2', 'triton', 'spconv does not support AMD'),
        (set(), True, None, 'torch', 'cannot be imported, and spconv-triton cannot'),
    ],
)
def test_automatic_choice_on_a_gpu(installed, known, hip, name, reason, monkeypatch):
    monkeypatch.setattr(backends, 'available', lambda name: name in installed)
    monkeypatch.setattr(backends, 'spconv_has_code', lambda capability: known)
    monkeypatch.setattr(torch.version, 'hip', hip)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (12, 0))
    gpu = torch.device('cuda', 0)
    choice = backends.best_backend.__wrapped__(gpu)
    assert choice.name == name and reason in choice.reason
    usable = backends.usable_backends(gpu)
    assert name in usable and set(usable) <= {'torch', *installed}
    assert ('spconv' in usable) == (name == 'spconv')


def test_an_spconv_for_cpus_has_code_for_no_gpu():
    pytest.importorskip('spconv')
    if not torch.cuda.is_available():
        assert not backends.spconv_has_code((9, 0))


def test_triton_is_refused_without_its_package_and_on_a_cpu(monkeypatch):
    x = SparseTensor.from_voxels(torch.zeros(4, 8), random_voxels(4))
    layer = SubMConv3d(8, 8, backend='triton')
    monkeypatch.setitem(MODULES, 'triton', 'there_is_none')
    spconv_backend.backend_of.cache_clear()
    with pytest.raises(ImportError, match="backend='triton': spconv-triton cannot be imported"):
        layer(x)
    spconv_backend.backend_of.cache_clear()
    module = SimpleNamespace(SubMConv3d=lambda *args, **kwargs: nn.Conv3d(1, 1, 1))
    with pytest.raises(RuntimeError, match='spconv-triton computes on GPUs only.*are on cpu; use'):
        SpconvBackend('triton', module).submanifold(x, layer.weight)


def test_several_threads_on_cpu_are_refused():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        x = SparseTensor.from_voxels(torch.zeros(4, 8), random_voxels(4))
        with pytest.raises(RuntimeError, match='more than one thread'):
            SubMConv3d(8, 8, backend='spconv')(x)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')
@pytest.mark.parametrize('backend', ['torch', 'spconv', 'triton'])
def test_half_precision_training_on_cuda(backend):
    if backend not in usable_backends(torch.device('cuda', 0)):
        pytest.skip(f'{backend} cannot compute here')
    coors = random_voxels(900, (11, 9, 13)).cuda()
    features = torch.randn(len(coors), 8, device='cuda', requires_grad=True)
    layers = _layers(backend, 'cuda')
    exact, _ = _forward(layers, features, coors)
    with torch.autocast('cuda', dtype=torch.float16):
        out, _ = _forward(layers, features, coors)
        out.float().sum().backward()
    assert (out.float() - exact).abs().max() < 0.03 * exact.abs().max()
    assert all(torch.isfinite(parameter.grad).all() for parameter in layers.parameters())
