# Copyright (c) 3D-QueryIS contributors. Licensed under Apache-2.0.
"""Sparse convolutions against dense ones in values and gradients, and their invariances."""

import multiprocessing
import os
import subprocess
import sys
import threading

import pytest
import torch

from insseg3d.layers import (
    SparseConv3d,
    SparseInverseConv3d,
    SparseTensor,
    SubMConv3d,
    sparse_tensor,
)
from insseg3d.ops.sparse import conv as sparse_conv
from insseg3d.ops.sparse import cpu as sparse_cpu
from insseg3d.ops.sparse import gather

from .sparse_reference import dense_inverse, dense_strided, dense_submanifold, random_voxels

CHANNELS = [(3, 5), (16, 16), (6, 40), (33, 17), (80, 64), (48, 112)]


@pytest.fixture(params=['native', 'torch', 'gather', 'gather in parts'])
def implementation(request, monkeypatch):
    """Run with the compiled kernels, which must exist, with torch operators, and as on a GPU."""
    assert sparse_cpu.usable(torch.zeros(1))
    assert sparse_cpu.usable(torch.zeros(1, dtype=torch.float64))
    if request.param == 'torch':
        monkeypatch.setattr(sparse_cpu, 'usable', lambda features: False)
    if 'gather' in request.param:
        monkeypatch.setattr(sparse_tensor, 'gathers', lambda tensor: True)
    if 'parts' in request.param:
        monkeypatch.setattr(gather, 'MOST_NUMBERS', 27 * 40)
    return request.param


def _layer(kind, channels, dtype=torch.float64):
    torch.manual_seed(1)
    return kind(*channels, backend='torch').to(dtype)


def _grads(out, *inputs):
    torch.manual_seed(2)
    factor = torch.randn(out.shape, dtype=torch.float64).to(out.dtype)
    return torch.autograd.grad((out * factor).sum(), inputs, retain_graph=True)


def _assert_close(ours, reference, tolerance=1e-9):
    for one, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize('half', [torch.float16, torch.bfloat16], ids=str)
def test_weight_gradients_in_parts_are_summed_in_full_precision(half, monkeypatch):
    torch.manual_seed(0)
    rows = torch.arange(4000, dtype=torch.int32)[:, None]
    features, grad = torch.rand(4000, 3).to(half), torch.rand(4000, 2).to(half)
    exact = gather._correlate(features.double(), rows, grad.double())
    monkeypatch.setattr(gather, 'MOST_NUMBERS', 3 * 10)
    found = gather._correlate(features, rows, grad)
    assert found.dtype == half
    assert (found - exact).abs().max() < torch.finfo(half).eps * exact.max()


@pytest.mark.usefixtures('implementation')
@pytest.mark.parametrize('channels', CHANNELS)
@pytest.mark.parametrize('extent', [(6, 5, 7), (1, 1, 9), (4, 4, 4)])
def test_submanifold_equals_dense(channels, extent):
    coors = random_voxels(60, extent)
    features = torch.randn(len(coors), channels[0], dtype=torch.float64, requires_grad=True)
    layer = _layer(SubMConv3d, channels)
    out = layer(SparseTensor.from_voxels(features, coors)).input_order()
    reference = dense_submanifold(features, coors, layer.weight)
    _assert_close([out], [reference])
    _assert_close(_grads(out, features, layer.weight), _grads(reference, features, layer.weight))


@pytest.mark.usefixtures('implementation')
@pytest.mark.parametrize('channels', CHANNELS)
@pytest.mark.parametrize('extent', [(6, 5, 7), (3, 3, 3), (8, 8, 8)])
def test_strided_and_inverse_equal_dense(channels, extent):
    coors = random_voxels(40, extent)
    features = torch.randn(len(coors), channels[0], dtype=torch.float64, requires_grad=True)
    down = _layer(SparseConv3d, channels)
    up = _layer(SparseInverseConv3d, channels[::-1])
    fine = SparseTensor.from_voxels(features, coors, multiple=2)
    coarse = down(fine)
    out = up(coarse, fine).input_order()
    reference, voxels = dense_strided(features, coors, down.weight)
    back = dense_inverse(reference, voxels, coors, up.weight)
    assert torch.equal(coarse.grid.coors.long(), voxels)
    _assert_close([coarse.features, out], [reference, back])
    _assert_close(
        _grads(coarse.features, features, down.weight), _grads(reference, features, down.weight)
    )
    inputs = features, down.weight, up.weight
    _assert_close(_grads(out, *inputs), _grads(back, *inputs))


@pytest.mark.usefixtures('implementation')
def test_many_blocks_equal_dense_in_float32():
    """More rows than a block of the kernels, and lists that do not fill a tile."""
    coors = random_voxels(3001, (18, 19, 20), seed=3)
    features = torch.randn(len(coors), 16, requires_grad=True)
    layer = _layer(SubMConv3d, (16, 32), torch.float32)
    out = layer(SparseTensor.from_voxels(features, coors)).input_order()
    reference = dense_submanifold(features.double(), coors, layer.weight.double()).float()
    _assert_close([out], [reference], 2e-5)
    ours = _grads(out, features, layer.weight)
    theirs = _grads(reference, features, layer.weight)
    for one, other in zip(ours, theirs, strict=True):
        assert (one - other).abs().max() < 1e-5 * other.abs().max()


@pytest.mark.usefixtures('implementation')
def test_gradcheck():
    coors = random_voxels(9, (3, 2, 3))
    fine = SparseTensor.from_voxels(torch.zeros(len(coors), 1), coors, multiple=2).grid

    def network(features, *weights):
        out = sparse_conv.sparse_conv(features, weights[0], fine.submanifold)
        out = sparse_conv.sparse_conv(out, weights[1], fine.strided)
        return sparse_conv.sparse_conv(out, weights[2], fine.strided.transposed())

    inputs = [
        torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        for shape in ((len(coors), 2), (3, 3, 3, 3, 2), (2, 2, 2, 2, 3), (2, 2, 2, 2, 2))
    ]
    assert torch.autograd.gradcheck(network, inputs)


def _network(dtype):
    return [
        _layer(kind, (16, 16), dtype) for kind in (SubMConv3d, SparseConv3d, SparseInverseConv3d)
    ]


def _run(features, coors, dtype, network=None):
    """Compute values at the voxels and gradients of a small network."""
    conv, down, up = network or _network(dtype)
    features = features.to(dtype).requires_grad_()
    fine = conv(SparseTensor.from_voxels(features, coors, multiple=2))
    out = up(down(fine), fine).input_order()
    factor = torch.sin(coors.double().sum(1, keepdim=True)).to(dtype)
    grads = torch.autograd.grad(
        (out * factor).sum(), [features, conv.weight, down.weight, up.weight]
    )
    return [out.detach(), *grads]


def _relative(one, other):
    return float((one - other).detach().abs().max() / other.detach().abs().max())


@pytest.mark.usefixtures('implementation')
@pytest.mark.parametrize(('dtype', 'tolerance'), [(torch.float32, 1e-5), (torch.float64, 1e-11)])
class TestInvariance:
    def test_two_calls_equal_to_the_bit(self, dtype, tolerance):
        coors = random_voxels(5000, (20, 20, 20))
        features = torch.randn(len(coors), 16)
        for one, other in zip(
            _run(features, coors, dtype), _run(features, coors, dtype), strict=True
        ):
            assert torch.equal(one, other)

    def test_order_of_rows(self, dtype, tolerance):
        coors = random_voxels(5000, (20, 20, 20))
        features = torch.randn(len(coors), 16)
        order = torch.randperm(len(coors))
        straight = _run(features, coors, dtype)
        shuffled = _run(features[order], coors[order], dtype)
        straight[:2] = [rows[order] for rows in straight[:2]]
        assert max(map(_relative, shuffled, straight)) < tolerance

    def test_batch_mates(self, dtype, tolerance):
        coors = random_voxels(5000, (20, 20, 20))
        features = torch.randn(len(coors), 16)
        together = _run(features, coors, dtype)[:2]
        for scene in (0, 1):
            rows = coors[:, 0] == scene
            alone = _run(features[rows], coors[rows] * torch.tensor([0, 1, 1, 1]), dtype)[:2]
            assert _relative(alone[0], together[0][rows]) < tolerance

    def test_number_of_threads(self, dtype, tolerance):
        coors = random_voxels(5000, (20, 20, 20))
        features = torch.randn(len(coors), 16)
        threads, results = torch.get_num_threads(), []
        try:
            for number in (1, 2, 3):
                torch.set_num_threads(number)
                results.append(_run(features, coors, dtype))
        finally:
            torch.set_num_threads(threads)
        for result in results[1:]:
            assert max(map(_relative, result, results[0])) < tolerance


def test_several_python_threads_at_once():
    coors = random_voxels(5000, (20, 20, 20))
    features = torch.randn(len(coors), 16)
    network = _network(torch.float32)
    expected, wrong = _run(features, coors, torch.float32, network), []

    def work():
        for _ in range(5):
            result = _run(features, coors, torch.float32, network)
            wrong.extend(
                not torch.equal(one, other) for one, other in zip(result, expected, strict=True)
            )

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 3 * 5 * 5
    assert not any(wrong)


def _in_worker(queue, features, coors):
    torch.set_num_threads(1)  # like torch's data loader in its workers
    queue.put([result.numpy() for result in _run(features, coors, torch.float32)])


def test_forked_process():
    coors = random_voxels(500, (8, 8, 8))
    features = torch.randn(len(coors), 16)
    expected = _run(features, coors, torch.float32)
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    process = context.Process(target=_in_worker, args=(queue, features, coors))
    process.start()
    result = queue.get(timeout=60)
    process.join(timeout=60)
    for one, other in zip(result, expected, strict=True):
        assert _relative(torch.from_numpy(one), other) < 1e-5


@pytest.mark.usefixtures('implementation')
def test_shared_layer_adds_its_gradients():
    coors = random_voxels(40)
    features = torch.randn(len(coors), 4, dtype=torch.float64)
    layer = _layer(SubMConv3d, (4, 4))
    out = layer(layer(SparseTensor.from_voxels(features, coors))).input_order()
    once = dense_submanifold(features, coors, layer.weight)
    reference = dense_submanifold(once, coors, layer.weight)
    _assert_close(_grads(out, layer.weight), _grads(reference, layer.weight))


@pytest.mark.usefixtures('implementation')
def test_gradients_flow_in_eval_mode():
    coors = random_voxels(40)
    features = torch.randn(len(coors), 4, requires_grad=True)
    layer = _layer(SubMConv3d, (4, 4), torch.float32).eval()
    layer(SparseTensor.from_voxels(features, coors)).features.sum().backward()
    assert features.grad.abs().sum() > 0
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.usefixtures('implementation')
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    coors = random_voxels(60)
    features = torch.randn(len(coors), 8, requires_grad=True)
    layer = _layer(SubMConv3d, (8, 8), torch.float32)
    out = layer(SparseTensor.from_voxels(features, coors)).features
    exact = _grads(out, features, layer.weight)
    with torch.autocast('cpu', dtype=dtype):
        low = layer(SparseTensor.from_voxels(features, coors)).features
    grads = _grads(low, features, layer.weight)
    assert all(grad.dtype == torch.float32 for grad in grads)
    assert _relative(low.float(), out) < 0.03
    for one, other in zip(grads, exact, strict=True):
        assert _relative(one, other) < 0.05


def test_autocast_of_torch_before_2_4(monkeypatch):
    """There, ``is_autocast_enabled`` takes no device type and reports only the GPU."""
    monkeypatch.delattr(torch, 'get_autocast_dtype')
    monkeypatch.setattr(torch, 'is_autocast_enabled', lambda: False)
    monkeypatch.setattr(torch, 'is_autocast_cpu_enabled', lambda: False)
    monkeypatch.setattr(torch, 'get_autocast_gpu_dtype', lambda: torch.float16)
    layer = _layer(SubMConv3d, (8, 8), torch.float32)
    x = SparseTensor.from_voxels(torch.ones(1, 8), random_voxels(1))
    assert layer(x).features.dtype == torch.float32
    monkeypatch.setattr(torch, 'is_autocast_cpu_enabled', lambda: True)
    monkeypatch.setattr(torch, 'get_autocast_cpu_dtype', lambda: torch.bfloat16)
    assert layer(x).features.dtype == torch.bfloat16
    assert sparse_conv.autocast_dtype('cuda') is None
    monkeypatch.setattr(torch, 'is_autocast_enabled', lambda: True)
    assert sparse_conv.autocast_dtype('cuda') == torch.float16


@pytest.mark.usefixtures('implementation')
def test_empty_tensor_keeps_the_graph():
    features = torch.zeros(0, 4, requires_grad=True)
    layers = [
        _layer(kind, (4, 4), torch.float32)
        for kind in (SubMConv3d, SparseConv3d, SparseInverseConv3d)
    ]
    fine = SparseTensor.from_voxels(features, torch.zeros(0, 4, dtype=torch.int32), multiple=2)
    x = layers[0](fine)
    out = layers[2](layers[1](x), x).features
    assert out.shape == (0, 4)
    out.sum().backward()
    assert all(torch.equal(layer.weight.grad, torch.zeros_like(layer.weight)) for layer in layers)


def test_kernels_are_compiled_once(tmp_path):
    """A second process finds every kernel on disk and writes no further copy."""
    code = (
        'import torch, insseg3d.ops.sparse.cpu as cpu, insseg3d.ops.sparse.neighbors as near\n'
        'assert near._kernels() and all(map(cpu._kernels, (torch.float32, torch.float64)))'
    )
    files = []
    for _ in range(2):
        subprocess.run(
            [sys.executable, '-c', code],
            check=True,
            timeout=120,
            env={
                **os.environ,
                'NUMBA_CACHE_DIR': str(tmp_path),
                'PYTHONPATH': os.pathsep.join(sys.path),
            },
        )
        files.append(
            {
                (path.name, path.stat().st_mtime_ns)
                for path in tmp_path.rglob('*.nb?')
                if path.is_file()
            }
        )
    assert files[0] == files[1]
    assert len(files[0]) == 3 * 2 + 2 * 3  # an index and its data; two kernels have two types


def test_compilation_failure_costs_only_speed(monkeypatch):
    def broken():
        raise OSError('no compiler here')

    from insseg3d.ops import native

    with pytest.warns(UserWarning, match='slower torch operators are used: OSError: no compiler'):
        assert native.compile_kernels(broken) is None
    monkeypatch.setattr(sparse_cpu, '_kernels', lambda dtype: None)
    assert not sparse_cpu.usable(torch.zeros(1))


def test_wrong_arguments_are_named():
    coors = random_voxels(10)
    x = SparseTensor.from_voxels(torch.zeros(10, 4), coors, multiple=2)
    with pytest.raises(ValueError, match=r'features have shape \(10, 4\), expected \(10, 5\)'):
        SubMConv3d(5, 5)(x)
    with pytest.raises(ValueError, match="backend is 'cuda', expected one of"):
        SubMConv3d(5, 5, backend='cuda')
    other = SparseTensor.from_voxels(torch.zeros(10, 4), coors, multiple=2)
    with pytest.raises(ValueError, match='came down from this level'):
        SparseInverseConv3d(4, 4)(SparseConv3d(4, 4)(x), other)
    with pytest.raises(ValueError, match=r'expected \(V, C\) and \(V, 4\)'):
        SparseTensor.from_voxels(torch.zeros(9, 4), coors)
