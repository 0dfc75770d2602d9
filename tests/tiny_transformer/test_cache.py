"""The KV cache: decoding with it is decoding without it, however the target is cut into pieces."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from tiny_transformer.attention import padding_mask
from tiny_transformer.cache import KVCache, LayerCache
from tiny_transformer.model import Transformer

from .reference import PAD, normal, random_ids, random_model, small

# float64: the pieces are other shapes, so sums are taken in another order; 1e-15 of numbers near 1.
EXACT = {"atol": 1e-10, "rtol": 0}
SOURCE = random_ids((6, 3), seed=1)
T = 6
TARGET = random_ids((T, T), seed=2)


def compositions(n: int) -> Iterator[tuple[int, ...]]:
    """All ways to write n as a sum, in order: 2^(n - 1)."""
    if n == 0:
        yield ()
    for first in range(1, n + 1):
        for rest in compositions(n - first):
            yield (first, *rest)


def decode_in_pieces(
    model: Transformer, target: Tensor, pieces: tuple[int, ...], source: Tensor = SOURCE
) -> tuple[Tensor, KVCache]:
    """The decoder's outputs (B, T, D), computed piece by piece."""
    memory, mask = model.encode(source), model.source_mask(source)
    cache = KVCache.like(model.config, memory, target.shape[1])
    outputs = [model.decode(ids, memory, mask, cache) for ids in target.split(pieces, dim=1)]
    return torch.cat(outputs, dim=1), cache


@pytest.mark.parametrize("norm", ["post", "pre"])
@torch.no_grad()
def test_decoding_in_any_pieces_equals_decoding_at_once(norm: str) -> None:
    """One token at a time, all at once, and the 30 ways in between; every layer."""
    model = random_model(norm=norm, dtype=torch.float64)
    layers: list[list[Tensor]] = [[] for _ in model.decoder.layers]
    for collected, layer in zip(layers, model.decoder.layers, strict=True):
        layer.register_forward_hook(lambda m, args, out, collected=collected: collected.append(out))
    model.decode(TARGET, model.encode(SOURCE), model.source_mask(SOURCE))
    want = [collected.pop() for collected in layers]
    for pieces in compositions(T):
        _, cache = decode_in_pieces(model, TARGET, pieces)
        assert cache.length == T
        for collected, whole in zip(layers, want, strict=True):
            assert_close(torch.cat(collected, dim=1), whole, **EXACT)
            collected.clear()


@torch.no_grad()
def test_a_later_token_never_changes_what_the_cache_answered_before() -> None:
    model = random_model(dtype=torch.float64)
    other = TARGET.clone()
    other[:, 4] = (other[:, 4] - 3 + 5) % 34 + 3
    for pieces in ((1,) * T, (2, 4), (3, 3)):
        a, _ = decode_in_pieces(model, TARGET, pieces)
        b, _ = decode_in_pieces(model, other, pieces)
        assert torch.equal(a[:, :4], b[:, :4])
        assert not torch.isclose(a[:, 4:], b[:, 4:]).any(dim=-1).all()


@torch.no_grad()
def test_decoding_goes_on_beyond_the_first_table_of_positions() -> None:
    model = random_model(num_decoder_layers=1, dtype=torch.float64)
    target = random_ids((300,), seed=3)
    whole = random_model(num_decoder_layers=1, dtype=torch.float64).decode(
        target, model.encode(SOURCE[:1]), model.source_mask(SOURCE[:1])
    )
    got, _ = decode_in_pieces(model, target, (250, *[1] * 10, 40), SOURCE[:1])
    assert_close(got, whole, **EXACT)


@torch.no_grad()
def test_a_decoder_without_layers_still_counts_positions() -> None:
    model = random_model(num_decoder_layers=0, dtype=torch.float64)
    want = model.decode(TARGET, model.encode(SOURCE))
    got, cache = decode_in_pieces(model, TARGET, (2, 1, 3))
    assert_close(got, want, **EXACT)
    assert (cache.layers, cache.length) == ([], T)
    cache.reorder(torch.tensor([1, 0]))


@torch.no_grad()
def test_the_source_is_projected_once_and_each_target_token_once() -> None:
    model = random_model()
    rows: dict[str, list[int]] = {}
    for i, layer in enumerate(model.decoder.layers):
        for kind in ("self", "cross"):
            for letter in "kv":
                name = f"{i} {kind} {letter}"
                rows[name] = []
                projection = getattr(layer, f"{kind}_attention").get_submodule(f"{letter}_proj")
                projection.register_forward_hook(
                    lambda m, args, out, name=name: rows[name].append(out.shape[1])
                )
    decode_in_pieces(model, TARGET, (2, 1, 1, 2))
    for name, seen in rows.items():
        assert seen == ([6] if "cross" in name else [2, 1, 1, 2]), name


@torch.no_grad()
def test_reordered_rows_go_on_as_their_models_do() -> None:
    """Four targets of one source; three of them die, one of the rest is copied twice."""
    model = random_model(dtype=torch.float64)
    source = SOURCE[1:].expand(4, -1)
    start, then = random_ids((3,) * 4, seed=4), random_ids((2,) * 4, seed=5)
    rows = torch.tensor([2, 0, 2, 2])
    memory, mask = model.encode(source), model.source_mask(source)
    cache = KVCache.like(model.config, memory, 5)
    model.decode(start, memory, mask, cache)
    before = [(layer.keys[:, :, :3].clone(), layer.cross) for layer in cache.layers]
    cache.reorder(rows)
    for layer, (keys, cross) in zip(cache.layers, before, strict=True):
        assert torch.equal(layer.keys[:, :, :3], keys[rows])
        assert layer.cross is cross
    assert cache.length == 3
    got = model.decode(then, memory, mask, cache)
    want = model.decode(torch.cat([start[rows], then], dim=1), memory, mask)[:, 3:]
    assert_close(got, want, **EXACT)


@pytest.mark.parametrize("rows", [[1], [2, 0], [0, 1, 2], [1, 1, 2, 0]], ids=str)
@torch.no_grad()
def test_selected_rows_go_on_with_their_own_sources(rows: list[int]) -> None:
    """What has ended drops out of the batch, or a row is copied: the number of rows changes."""
    model = random_model(dtype=torch.float64)
    source, start = random_ids((6, 3, 5), seed=1), random_ids((3,) * 3, seed=4)
    then = random_ids((2,) * len(rows), seed=5)
    index = torch.tensor(rows)
    memory, mask = model.encode(source), model.source_mask(source)
    cache = KVCache.like(model.config, memory, 5)
    cache.select(torch.tensor([0, 1, 2]))  # nothing is cached yet: nothing changes
    model.decode(start, memory, mask, cache)
    cache.select(index)
    assert cache.length == 3
    got = model.decode(then, memory[index], mask[index], cache)
    whole = torch.cat([start[index], then], dim=1)
    assert_close(got, model.decode(whole, memory[index], mask[index])[:, 3:], **EXACT)


@torch.no_grad()
def test_padding_of_the_source_stays_hidden_at_every_step() -> None:
    model = random_model(dtype=torch.float64)
    alone, _ = decode_in_pieces(model, TARGET[1:], (1,) * T, SOURCE[1:, :3])
    padded, _ = decode_in_pieces(model, TARGET, (1,) * T, SOURCE)
    assert (SOURCE[1, 3:] == PAD).all()
    assert_close(padded[1:], alone, **EXACT)


@torch.no_grad()
def test_weights_on_request_with_a_cache_cover_all_tokens_so_far() -> None:
    model = random_model(dtype=torch.float64)
    memory, mask = model.encode(SOURCE), padding_mask(SOURCE, PAD)
    whole: tuple[list[Tensor], list[Tensor]] = [], []
    model.decode(TARGET, memory, mask, None, *whole)
    cache = KVCache.like(model.config, memory, T)
    model.decode(TARGET[:, :4], memory, mask, cache)
    last: tuple[list[Tensor], list[Tensor]] = [], []
    model.decode(TARGET[:, 4:], memory, mask, cache, *last)
    for got, want in zip(last, whole, strict=True):
        assert len(got) == len(want) == 3
        for a, b in zip(got, want, strict=True):
            assert_close(a, b[:, :, 4:], **EXACT)


# --- the memory ---


def test_appended_tokens_come_back_in_order_and_in_place() -> None:
    cache = LayerCache(torch.empty(2, 4, 7, 6), torch.empty(2, 4, 7, 6))
    keys, values = normal(2, 4, 7, 6), normal(2, 4, 7, 6, seed=1)
    start = 0
    for n in (3, 1, 2):
        end = start + n
        got = cache.append(keys[:, :, start:end], values[:, :, start:end])
        assert torch.equal(got[0], keys[:, :, :end])
        assert torch.equal(got[1], values[:, :, :end])
        assert got[0].data_ptr() == cache.keys.data_ptr()  # a view: the past is not copied
        assert cache.length == end
        start = end


@torch.no_grad()
def test_a_full_cache_refuses_more_and_stays_as_it_was() -> None:
    model = random_model(dtype=torch.float64)
    memory, mask = model.encode(SOURCE), model.source_mask(SOURCE)
    cache = KVCache.like(model.config, memory, max_length=5)
    model.decode(TARGET[:, :4], memory, mask, cache)
    with pytest.raises(ValueError, match=r"4 cached \+ 2 new tokens exceed max_length=5: make"):
        model.decode(TARGET[:, 4:], memory, mask, cache)
    got = model.decode(TARGET[:, 4:5], memory, mask, cache)
    assert_close(got, model.decode(TARGET[:, :5], memory, mask)[:, 4:], **EXACT)
    assert cache.length == 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_cache_like_memory_has_its_batch_dtype_and_device(
    dtype: torch.dtype, device: str
) -> None:
    memory = torch.empty(3, 5, 24, dtype=dtype, device=device)
    cache = KVCache.like(small(), memory, 9)
    assert (len(cache.layers), cache.length) == (3, 0)
    for layer in cache.layers:
        assert layer.keys.shape == layer.values.shape == (3, 4, 9, 6)
        assert layer.keys.dtype == layer.values.dtype == dtype
        assert layer.keys.device.type == layer.values.device.type == device
        assert layer.cross is None


@pytest.mark.parametrize(("batch_size", "max_length"), [(0, 4), (2, 0), (-1, -1)])
def test_sizes_below_one_are_refused(batch_size: int, max_length: int) -> None:
    with pytest.raises(ValueError, match=f"batch_size={batch_size} and max_length={max_length}"):
        KVCache(small(), batch_size, max_length)
