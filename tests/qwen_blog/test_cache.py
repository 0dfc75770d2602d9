"""The KV cache: how much it holds, that it holds it, and that it refuses what does not fit.

That decoding with it equals a full forward pass is in test_model.py.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

import qwen_blog.cache
from qwen_blog import KVCache, Qwen2Config

from .reference import PROPERTY, config_json, models

CONFIG = Qwen2Config.from_dict(config_json("GQA"))  # 3 layers, K = 2, Dh = 16


def tokens(n: int, seed: int, B: int = 2) -> Tensor:
    return torch.randn(B, 2, n, 16, generator=torch.Generator().manual_seed(seed))


@PROPERTY
@given(
    case=st.sampled_from(("MHA", "GQA", "MQA")),
    B=st.integers(1, 5),
    max_length=st.integers(1, 300),
    dtype=st.sampled_from((torch.float64, torch.float32, torch.bfloat16, torch.float16)),
)
def test_bytes_held_are_the_formula_of_the_docstring(
    case: str, B: int, max_length: int, dtype: torch.dtype
) -> None:
    config = Qwen2Config.from_dict(config_json(case))
    heads = {"MHA": 4, "GQA": 2, "MQA": 1}[case]
    cache = KVCache(config, B, max_length, dtype)
    assert cache.nbytes == 2 * 3 * B * heads * max_length * 16 * dtype.itemsize
    assert cache.nbytes == sum(x.numel() * x.element_size() for x in cache.keys + cache.values)


def test_qwen2_0_5b_holds_what_the_docstring_says() -> None:
    cache = KVCache(Qwen2Config.qwen2_0_5b(), 1, 32768, torch.bfloat16, device="meta")
    a_token = 2 * 24 * 2 * 64 * 2  # layers, heads, head width, bytes
    assert cache.nbytes == 32768 * a_token
    doc = qwen_blog.cache.__doc__
    assert f"{a_token // 1024} KiB a token, and {cache.nbytes // 2**20} MiB" in doc


def test_memory_is_taken_once() -> None:
    cache = KVCache(CONFIG, 2, 9)
    before = [x.data_ptr() for x in cache.keys + cache.values]
    for seed in range(3):
        keys, _ = cache.update(0, tokens(3, seed), tokens(3, seed))
        assert keys.data_ptr() == cache.keys[0].data_ptr()  # a view: the past is not copied
        cache.advance(3)
    assert [x.data_ptr() for x in cache.keys + cache.values] == before


@PROPERTY
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), spare=st.integers(0, 3))
def test_update_returns_all_tokens_so_far_in_order(sizes: list[int], spare: int) -> None:
    cache = KVCache(CONFIG, 2, sum(sizes) + spare)
    keys, values = tokens(sum(sizes), 0), tokens(sum(sizes), 1)
    for size in sizes:
        start, end = cache.length, cache.length + size
        for layer in range(3):  # each layer has its own tokens
            k, v = keys + layer, values - layer
            got = cache.update(layer, k[:, :, start:end], v[:, :, start:end])
            assert_close(got[0], k[:, :, :end], atol=0, rtol=0)
            assert_close(got[1], v[:, :, :end], atol=0, rtol=0)
            assert cache.length == start  # all layers of one step write at the same place
        cache.advance(size)
    assert cache.length == sum(sizes)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_cache_for_a_model_has_its_dtype_and_device(dtype: torch.dtype) -> None:
    ours, _ = models("MQA", dtype)
    cache = KVCache.for_model(ours, batch_size=3, max_length=7)
    assert {x.dtype for x in cache.keys + cache.values} == {dtype}
    assert {x.shape for x in cache.keys + cache.values} == {(3, 1, 7, 16)}
    assert (cache.batch_size, cache.max_length, cache.length) == (3, 7, 0)
    assert cache.keys[0].device == ours.device


@pytest.mark.parametrize(("length", "new", "fits"), [(0, 9, True), (0, 10, False), (5, 4, True)])
def test_room_is_what_is_left(length: int, new: int, fits: bool) -> None:
    cache = KVCache(CONFIG, 2, 9)
    cache.advance(length)
    if fits:
        cache.check_room(new)
    else:
        with pytest.raises(ValueError, match="0 cached \\+ 10 new tokens exceed max_length=9"):
            cache.check_room(new)


def test_what_does_not_fit_is_a_value_error_that_names_the_number() -> None:
    cache = KVCache(CONFIG, 2, 9)
    cache.advance(5)
    cache.check_room(4)
    with pytest.raises(ValueError, match="9"):
        cache.check_room(5)
    with pytest.raises(ValueError, match="6"):
        cache.crop(6)
    assert cache.length == 5
    cache.crop(0)
    cache.check_room(9)


@pytest.mark.parametrize("length", [-1, 6])
def test_crop_refuses_a_length_outside_what_is_cached(length: int) -> None:
    cache = KVCache(CONFIG, 2, 9)
    cache.advance(5)
    with pytest.raises(ValueError, match=f"length={length} must be between 0 and the cached 5"):
        cache.crop(length)
    assert cache.length == 5


@pytest.mark.parametrize(("B", "max_length"), [(0, 9), (2, 0), (-1, 9)])
def test_an_empty_cache_is_refused(B: int, max_length: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size={B} and max_length={max_length}"):
        KVCache(CONFIG, B, max_length)
