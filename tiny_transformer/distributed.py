"""Several processes that train one model: each takes some rows, and all add up their gradients.

Started by `torchrun --nproc-per-node=N ...`, which tells every process its rank. The sum of the
gradients is the gradient of the sum, so the number of processes changes nothing but rounding (and
the dropout masks). Hand-written, where torch has DistributedDataParallel: it shows all there is to
it. Leaves out: hiding the exchange behind the backward pass, which DistributedDataParallel does.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class ProcessGroup:
    """Who we are among the processes of a run. A run of one process is a group of one."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files."""
        return self.rank == 0

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace every tensor by its sum over all processes, in one exchange."""
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        parts = flat.split([tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.size > 1:
            dist.barrier()

    def same_everywhere(self, number: int, device: torch.device) -> bool:
        """Whether every process calls with the same number."""
        numbers = torch.zeros(self.size, dtype=torch.int64, device=device)
        numbers[self.rank] = number
        self.add_up([numbers])
        return bool((numbers == number).all())

    def copy_from_main(self, tensors: Sequence[Tensor]) -> None:
        """Give every process the values of rank 0."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, src=0)


@contextmanager
def process_group(device: torch.device) -> Iterator[ProcessGroup]:
    """Join the processes that torchrun has started; alone, a group of one."""
    if dist.is_available() and dist.is_initialized():
        yield ProcessGroup(dist.get_rank(), dist.get_world_size())
    elif int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        try:
            yield ProcessGroup(dist.get_rank(), dist.get_world_size())
        finally:
            dist.destroy_process_group()
    else:
        yield ProcessGroup()
