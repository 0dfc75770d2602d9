"""`torch.testing.assert_close` that also shows where two tensors part, and what stands there."""

import functools
import sys
from collections.abc import Callable
from typing import Any

from .replacing import swap


class SayWhere:
    """While it is put, a failed comparison names the first place that differs."""

    def __init__(self) -> None:
        self._undo: Callable[[], None] | None = None

    def put(self) -> None:
        """In torch, if anything has loaded it, and in every test module that holds the function."""
        if self._undo or "torch" not in sys.modules:
            return
        import torch

        plain = torch.testing.assert_close

        @functools.wraps(plain)
        def assert_close(actual: Any, expected: Any, **options: Any) -> None:
            try:
                plain(actual, expected, **options)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{first_difference(actual, expected)}") from None

        def undo() -> None:
            torch.testing.assert_close = plain
            swap(assert_close, plain)

        torch.testing.assert_close = assert_close
        swap(plain, assert_close)
        self._undo = undo

    def take_back(self) -> None:
        """The plain function again."""
        if self._undo:
            self._undo()
        self._undo = None


def first_difference(actual: Any, expected: Any) -> str:
    """As: first difference at (0, 3): expected 0.5, got 0.25 (12 of 24 differ)."""
    import torch

    got, wanted = (torch.as_tensor(each).detach() for each in (actual, expected))
    for what in ("shape", "dtype"):
        if getattr(got, what) != getattr(wanted, what):
            return f"expected {what} {getattr(wanted, what)}, got {getattr(got, what)}"
    if got.is_complex():
        got, wanted = torch.view_as_real(got), torch.view_as_real(wanted)
    got, wanted = got.double(), wanted.double()
    apart = ~torch.isclose(got, wanted, rtol=1e-4, atol=1e-6, equal_nan=True)
    if not apart.any():  # a test that wants the very bits
        apart = got != wanted
    if not apart.any():
        return ""
    where = tuple(apart.nonzero()[0].tolist())
    count = f"{int(apart.sum())} of {apart.numel()} differ"
    at = f"first difference at {where}: " if where else ""
    pair = wanted[where].item(), got[where].item()
    digits = next((n for n in (6, 12) if f"{pair[0]:.{n}g}" != f"{pair[1]:.{n}g}"), 17)
    return f"{at}expected {pair[0]:.{digits}g}, got {pair[1]:.{digits}g} ({count})"


say_where = SayWhere()
