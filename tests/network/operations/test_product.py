"""1x1 convolutions as matrix products against torch's own convolution, in float64."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from convscope.network.operations import processor, product
from convscope.network.operations.data_gradient import prepare_data_gradient
from convscope.network.operations.fused import is_for_onednn, prepare_fastest
from convscope.network.operations.processor import products_are_fast
from convscope.network.operations.product import ProductConvolution, prepare_product, product_convolution

GENERATOR = torch.Generator().manual_seed(0)
XEON = {"cpu_name": "Intel Xeon", "avx512_bf16": True, "avx512_fp16": True, "amx_bf16": True}


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=GENERATOR)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("shape", [(1, 8, 5, 7), (3, 24, 1, 1), (2, 64, 14, 14), (0, 8, 4, 4)])
def test_it_is_the_convolution(shape: tuple[int, ...], last: bool) -> None:
    x, weight, bias = normal(*shape), normal(20, shape[1], 1, 1), normal(20)
    x = x.contiguous(memory_format=torch.channels_last) if last else x
    exact = F.conv2d(x.double(), weight.double(), bias.double())
    addend, before = normal(*exact.shape), x.clone()
    prepared = prepare_product(weight, bias)
    found = product_convolution(x, prepared)
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-5)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(product_convolution(x, prepared, activation="relu"), found.relu())
    kept, own = addend.clone(), addend.contiguous(memory_format=torch.channels_last).clone()
    view = addend.view_as(addend)
    assert torch.equal(product_convolution(x, prepared, view, activation="relu"), (found + addend).relu())
    assert torch.equal(addend, kept) and torch.equal(x, before)
    torch.testing.assert_close(product_convolution(x, prepared, own), found + addend, rtol=1e-5, atol=1e-5)
    without = product_convolution(x, prepare_product(weight, None))
    torch.testing.assert_close(without.double(), F.conv2d(x.double(), weight.double()), rtol=1e-5, atol=1e-5)


def test_what_is_no_number_stays_none_where_it_is() -> None:
    x = normal(2, 16, 5, 5)
    x[1, 3, 2, 4] = torch.nan
    found = product_convolution(x, prepare_product(normal(8, 16, 1, 1), normal(8)), activation="relu").isnan()
    assert found[1, :, 2, 4].all() and found.sum() == 8


def test_a_picture_has_the_same_bytes_in_a_batch() -> None:
    x, prepared = normal(3, 48, 13, 11), prepare_product(normal(33, 48, 1, 1), normal(33))
    together = product_convolution(x, prepared)
    for index in range(3):
        assert torch.equal(together[index : index + 1], product_convolution(x[index : index + 1], prepared))


@pytest.mark.skipif(not products_are_fast(), reason="products are not what is taken on this processor")
@pytest.mark.parametrize("channels", [16, 480, 768])
def test_filters_have_the_same_bytes_alone_as_among_others(channels: int) -> None:
    x, weight = normal(1, channels, 14, 14), normal(128, channels, 1, 1)
    assert product.product_pays(weight.shape)
    together = product_convolution(x, prepare_product(weight, None))
    for first in range(0, 128, 16):
        alone = product_convolution(x, prepare_product(weight[first : first + 16], None))
        assert torch.equal(alone, together[:, first : first + 16])


@pytest.mark.skipif(not is_for_onednn(torch.zeros(1)), reason="torch was built without oneDNN")
@pytest.mark.parametrize(
    ("shape", "window", "used"),
    [
        ((32, 64, 1, 1), {}, True),
        ((32, 1024, 1, 1), {}, False),
        ((32, 64, 1, 1), {"stride": 2}, False),
        ((32, 64, 1, 1), {"padding": 1}, False),
        ((32, 64, 1, 1), {"groups": 2}, False),
        ((32, 64, 3, 3), {"padding": 1}, False),
    ],
)
def test_only_plain_ones_use_it(
    shape: tuple[int, ...], window: dict[str, int], used: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "products_are_fast", lambda: True)
    weight = normal(shape[0], shape[1] // window.get("groups", 1), *shape[2:])
    packed = prepare_fastest(weight, None, (1, shape[1], 14, 14), **window)
    assert isinstance(packed, ProductConvolution) == used
    if used:
        gradient = prepare_data_gradient(weight, (1, shape[0], 14, 14), **window)
        slopes, sofar = normal(1, shape[0], 14, 14), normal(1, shape[1], 14, 14)
        exact = F.conv_transpose2d(slopes.double(), weight.double()) + sofar
        assert gradient is not None
        torch.testing.assert_close(gradient(slopes, (14, 14), sofar).double(), exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("known", "products", "half"),
    [
        (XEON, True, True),
        (XEON | {"amx_bf16": False}, True, False),
        (XEON | {"amx_bf16": False, "avx512_fp16": False}, True, True),
        (XEON | {"cpu_name": "AMD EPYC", "amx_bf16": False}, False, True),
        ({}, False, True),
    ],
)
def test_the_processor_decides(
    known: dict[str, object], products: bool, half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "_known", lambda: known)
    assert processor.products_are_fast() == (products and torch.backends.mkl.is_available())
    assert processor.bfloat16_is_fast() == (half and torch.ops.mkldnn._is_mkldnn_bf16_supported())
