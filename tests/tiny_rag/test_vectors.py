"""A matrix in blocks, its product with a query, and the k best of the scores."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tiny_rag import vectors
from tiny_rag.vectors import VectorBlocks, top_k

PROPERTY = settings(max_examples=100, derandomize=True, deadline=None)


def small(dim=3, dtype="float32", rows=4):
    """A matrix whose blocks have only a few rows."""
    matrix = VectorBlocks(dim, dtype)
    matrix._block_rows = rows
    return matrix


# Numbers with which every sum is exact, in float16 too.
WHOLE = st.integers(-8, 8).map(float)


def rows_of(n):
    return hnp.arrays(np.float32, st.tuples(n, st.just(3)), elements=WHOLE)


# --- The k best. ---


@PROPERTY
@given(
    hnp.arrays(np.float32, st.integers(0, 60), elements=st.integers(-3, 3).map(float)),
    st.integers(1, 70),
)
def test_the_k_best_come_in_order_and_of_equals_the_earlier(scores, k):
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:k]
    assert top_k(scores, k).tolist() == expected


def test_signed_zeros_are_equal_and_infinities_are_scores():
    scores = np.array([0.0, -0.0, -np.inf, np.inf, 0.0], np.float32)
    assert top_k(scores, 4).tolist() == [3, 0, 1, 4]
    assert top_k(scores, 9).tolist() == [3, 0, 1, 4, 2]


# --- The matrix. ---


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), rows_of(st.integers(0, 11))),
        st.tuples(st.just("drop"), st.lists(st.integers(0, 99), max_size=9)),
        st.tuples(st.just("replace"), rows_of(st.integers(1, 3))),
        st.tuples(st.just("file"), st.none()),
    ),
    max_size=12,
)


@PROPERTY
@given(OPERATIONS, st.sampled_from(["float32", "float16"]))
def test_whatever_is_done_it_holds_the_rows_of_a_plain_array(tmp_path_factory, operations, dtype):
    matrix, plain = small(dtype=dtype), np.empty((0, 3), np.float32)
    for name, argument in operations:
        if name == "append":
            matrix.append(argument)
            plain = np.concatenate((plain, argument))
        elif name == "drop" and len(plain):
            rows = [row % len(plain) for row in argument]
            matrix.drop(rows)
            plain = np.delete(plain, rows, axis=0)
        elif name == "replace" and len(plain) >= len(argument):
            rows = list(range(len(plain)))[-len(argument) :]
            matrix.replace(rows, argument)
            plain[rows] = argument
        elif name == "file":
            file = tmp_path_factory.mktemp("matrix") / "v.npy"
            matrix.write(file)
            matrix = VectorBlocks.map(file)
            matrix._block_rows = 4
        assert len(matrix) == len(plain)
        assert np.array_equal(matrix.take(range(len(plain))), plain)
        query = np.array([1, -2, 4], np.float32)
        assert np.array_equal(matrix.scores(query), plain @ query)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_file_is_one_that_numpy_reads(tmp_path, dtype):
    matrix, numbers = small(5, dtype), np.arange(55, dtype=dtype).reshape(11, 5)
    matrix.append(numbers)
    matrix.write(tmp_path / "v.npy")
    read = np.load(tmp_path / "v.npy", allow_pickle=False)
    assert read.dtype == dtype
    assert np.array_equal(read, numbers)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_scores_are_inner_products(dtype):
    rng = np.random.default_rng(0)
    numbers = rng.standard_normal((999, 384)).astype(dtype)
    query = rng.standard_normal(384).astype(np.float32)
    matrix = small(384, dtype, rows=100)
    matrix.append(numbers)
    expected = numbers.astype(np.float64) @ query.astype(np.float64)
    # 384 roundings of sums of up to about 60, in float32: 384 * 60 * 2**-24 at the worst
    assert np.abs(matrix.scores(query) - expected).max() < 1e-3
    assert np.abs(matrix.scores(query) - expected).max() < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("rows", [3, 17, 1000])
def test_equal_rows_have_equal_scores_wherever_they_stand(dtype, rows):
    # `block @ query` adds the last rows of a block in another order: 27.076462 and 27.076464
    rng = np.random.default_rng(0)
    matrix = small(384, dtype, rows)
    matrix.append(np.tile(rng.standard_normal(384), (1003, 1)).astype(dtype))
    assert len(set(matrix.scores(rng.standard_normal(384).astype(np.float32)).tolist())) == 1


def test_every_float16_number_counts_for_what_it_is():
    numbers = np.arange(2**16, dtype=np.uint16).view(np.float16)
    numbers = numbers[np.isfinite(numbers)][:, None]  # subnormal ones, zeros and signs included
    matrix = VectorBlocks(1, "float16")
    matrix.append(numbers)
    for factor in (1.0, -(2.0**10), 2.0**-20):
        scores = matrix.scores(np.array([factor], np.float32))
        assert np.array_equal(scores, numbers[:, 0].astype(np.float32) * np.float32(factor))


def test_changing_a_mapped_matrix_leaves_the_file_as_it_is(tmp_path):
    file = tmp_path / "v.npy"
    matrix = small()
    matrix.append(np.ones((10, 3), np.float32))
    matrix.write(file)
    before = file.read_bytes()
    mapped = VectorBlocks.map(file)
    mapped.replace([0], np.zeros((1, 3)))
    mapped.drop([4, 9])
    mapped.append(np.full((3, 3), 2.0))
    assert mapped.scores(np.ones(3, np.float32)).tolist() == [0.0] + [3.0] * 7 + [6.0] * 3
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "numbers",
    [
        np.zeros(3, np.float32),
        np.zeros((3, 3), np.int32),
        np.zeros((3, 3), np.float64),
        np.zeros((2, 3, 4), np.float32),
        np.asfortranarray(np.zeros((3, 4), np.float32)),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, numbers):
    np.save(tmp_path / "v.npy", numbers)
    with pytest.raises(ValueError, match=r"is no matrix|must be one of"):
        VectorBlocks.map(tmp_path / "v.npy")


class Bomb:
    """Unpickled, it writes a file."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return (open, (str(self.file), "w"))


def test_a_pickle_is_never_executed(tmp_path):
    bomb = np.array([[Bomb(tmp_path / "executed")]], dtype=object)
    np.save(tmp_path / "v.npy", bomb, allow_pickle=True)
    with pytest.raises(ValueError, match=r"Python objects|Object arrays"):
        VectorBlocks.map(tmp_path / "v.npy")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(("dim", "dtype"), [(0, "float32"), (-1, "float32"), (3, "float64")])
def test_sizes_and_types_that_do_not_work_are_named(dim, dtype):
    wrong = f"dim={dim}" if dim < 1 else "dtype='float64' must be one of float32, float16"
    with pytest.raises(ValueError, match=wrong):
        VectorBlocks(dim, dtype)


# --- Memory. ---


def peak_bytes(call):
    """The most that was allocated at any time during the call, beyond what there was."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.fixture
def _small_blocks(monkeypatch):
    monkeypatch.setattr(vectors, "_BLOCK_BYTES", 2**16)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_nothing_holds_the_matrix_twice(tmp_path, dtype):
    batch = np.ones((500, 128), dtype)  # 256 kB in float32
    matrix = VectorBlocks(128, dtype)

    def fill():
        for _ in range(40):
            matrix.append(batch)

    size = 40 * batch.nbytes
    assert peak_bytes(fill) < 1.05 * size
    query = np.ones(128, np.float32)
    assert peak_bytes(lambda: matrix.write(tmp_path / "v.npy")) < 0.05 * size
    assert peak_bytes(lambda: matrix.scores(query)) < 4 * 20_000 + 3 * 2**16
    assert peak_bytes(lambda: matrix.drop(range(0, 20_000, 900))) < 0.05 * size
    mapped = []
    assert peak_bytes(lambda: mapped.append(VectorBlocks.map(tmp_path / "v.npy"))) < 0.05 * size
    assert peak_bytes(lambda: mapped[0].scores(query)) < 4 * 20_000 + 3 * 2**16
