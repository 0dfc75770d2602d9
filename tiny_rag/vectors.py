"""A matrix that grows by rows, kept in blocks, and its product with a query.

Blocks, because one array would have to be copied whole to grow, to shrink or to change its type.
A block may lie in memory or in a mapped file. Chapter 31 explains exact search.

Leaves out: approximate search (`faiss_store`).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

DTYPES = ("float32", "float16")
_BLOCK_BYTES = 2**22  # of float32: a block and its copy from float16 fit in a core's cache


class VectorBlocks:
    """(N, dim) numbers, float32 or float16, in the order in which they were added."""

    def __init__(self, dim: int, dtype: str = "float32") -> None:
        if dim < 1:
            raise ValueError(f"dim={dim} must be at least 1")
        if dtype not in DTYPES:
            raise ValueError(f"dtype={dtype!r} must be one of {', '.join(DTYPES)}")
        self.dim, self.dtype = dim, np.dtype(dtype)
        self._block_rows = max(1, _BLOCK_BYTES // (4 * dim))
        self._blocks: list[np.ndarray] = []
        self._tail = np.empty((0, dim), self.dtype)  # the last block with the room it may grow into

    def __len__(self) -> int:
        return sum(map(len, self._blocks))

    def append(self, vectors: np.ndarray) -> None:
        """Add rows at the end. vectors: (n, dim)"""
        while len(vectors):
            used = len(self._blocks[-1]) if self._blocks else 0
            if used == len(self._tail):
                self._tail, used = np.empty((self._block_rows, self.dim), self.dtype), 0
                self._blocks.append(self._tail[:0])
            end = min(used + len(vectors), len(self._tail))
            self._tail[used:end], vectors = vectors[: end - used], vectors[end - used :]
            self._blocks[-1] = self._tail[:end]

    def replace(self, rows: Sequence[int], vectors: np.ndarray) -> None:
        """Change some rows. vectors: (len(rows), dim)"""
        for (block, place), vector in zip(self._places(rows), vectors, strict=True):
            self._blocks[block][place] = vector

    def drop(self, rows: Sequence[int]) -> None:
        """Remove some rows; those after them move up. Only the blocks concerned are rewritten."""
        gone: dict[int, list[int]] = {}
        for block, place in self._places(rows):
            gone.setdefault(block, []).append(place)
        for block, places in gone.items():
            kept = np.delete(self._blocks[block], places, axis=0)
            self._blocks[block][: len(kept)] = kept
            self._blocks[block] = self._blocks[block][: len(kept)]
        # an empty last block stays: it is the start of the tail
        self._blocks = [b for b in self._blocks[:-1] if len(b)] + self._blocks[-1:]

    def take(self, rows: Sequence[int]) -> np.ndarray:
        """Some rows: (len(rows), dim) float32, a copy."""
        taken = np.empty((len(rows), self.dim), np.float32)
        for i, (block, place) in enumerate(self._places(rows)):
            taken[i] = self._blocks[block][place]
        return taken

    def scores(self, query: np.ndarray) -> np.ndarray:
        """The inner product of every row with the query: (dim,) float32 -> (N,) float32.

        Equal rows get equal scores. That is why this is no matrix product: BLAS adds up the last
        few rows of a matrix in another order than the rest, and ties would be broken by rounding.
        """
        scores = np.empty(len(self), np.float32)
        start = 0
        for block in self._blocks:
            out = scores[start : start + len(block)]
            if block.dtype == np.float16:
                _half_dot(block, query, out)
            else:
                np.vecdot(block, query, out=out)
            start += len(block)
        return scores

    def write(self, file: Path) -> None:
        """As one NumPy .npy file, block after block."""
        header = {
            "descr": np.lib.format.dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (len(self), self.dim),
        }
        with file.open("wb") as out:
            np.lib.format.write_array_header_1_0(out, header)
            for block in self._blocks:
                out.write(block.data)

    @classmethod
    def map(cls, file: Path) -> "VectorBlocks":
        """The rows of a file that `write` made, mapped: a row is read when it is needed.

        Changes stay in memory and never reach the file. ValueError if it is not such a file.
        """
        mapped = np.load(file, mmap_mode="c", allow_pickle=False)
        if not (isinstance(mapped, np.ndarray) and mapped.ndim == 2 and mapped.flags.c_contiguous):
            raise ValueError(f"{file} is no matrix; give one that `write` made")
        vectors = cls(mapped.shape[1], str(mapped.dtype))
        rows = mapped.view(np.ndarray)
        step = vectors._block_rows
        vectors._blocks = [rows[start : start + step] for start in range(0, len(rows), step)]
        vectors._tail = vectors._blocks[-1] if vectors._blocks else vectors._tail
        return vectors

    def _places(self, rows: Sequence[int]) -> list[tuple[int, int]]:
        """For each row its block and its place in it."""
        starts = np.cumsum([0, *map(len, self._blocks)])
        wanted = np.asarray(rows, dtype=np.int64)
        blocks = np.searchsorted(starts, wanted, side="right") - 1
        places = wanted - starts[blocks]
        return list(zip(blocks.tolist(), places.tolist(), strict=True))


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """The places of the k highest scores, best first; of equals, the earlier one first.

    scores: (N,) without NaN · returns (min(k, N),) int64
    """
    if k >= len(scores):
        return np.argsort(-scores, kind="stable")
    last = np.partition(scores, -k)[-k]  # the k-th highest
    above, equal = np.flatnonzero(scores > last), np.flatnonzero(scores == last)
    rows = np.concatenate((above, equal[: k - len(above)]))  # ties are in order in both parts
    return rows[np.argsort(-scores[rows], kind="stable")]


_SHIFT = np.float32(2.0**56)


def _half_dot(block: np.ndarray, query: np.ndarray, out: np.ndarray) -> None:
    """The inner products of float16 rows, summed in float32, into `out`.

    NumPy converts a half number at a time. This moves bits instead, five times as fast: sign,
    5 bits of exponent and 10 of mantissa go to where float32 has them. Its exponent counts from
    127 and not from 15, so the number is 2**112 too small, subnormal ones included: the query and
    the result take half of that each, and nothing overflows.
    """
    bits = block.view(np.int16).astype(np.int32)
    np.left_shift(bits, 13, out=bits)
    np.bitwise_and(bits, ~(0b111 << 28), out=bits)  # copies of the sign, above the exponent
    np.vecdot(bits.view(np.float32), query * _SHIFT, out=out)
    np.multiply(out, _SHIFT, out=out)
