"""Several processes that train one model: each takes some rows, and all add up their gradients.

Started by `torchrun --nproc-per-node N ...`, which tells every process its rank. The sum of the
gradients is the gradient of the sum, so the number of processes changes nothing but rounding.
Hand-written, where torch has DistributedDataParallel: it is one line, once all gradients lie in
one tensor. Chapter 24. Leaves out: hiding the exchange behind the backward pass.
"""

import atexit
import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class ProcessGroup:
    """Who we are among the processes of a run. A run of one process is a group of one."""

    rank: int = 0
    size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that validates and writes files."""
        return self.rank == 0

    def add_up(self, tensor: Tensor) -> None:
        """Replace the tensor by its sum over all processes."""
        if self.size > 1:
            dist.all_reduce(tensor)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.size > 1:
            dist.barrier()


def process_group(device: torch.device) -> ProcessGroup:
    """Join the processes that torchrun has started; alone, a group of one.

    The group lasts as long as the process: leaving it and joining again, as a run of several
    stages would, can wait for ever for a process that still leaves while another joins.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return ProcessGroup()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(dist.destroy_process_group)
    return ProcessGroup(dist.get_rank(), dist.get_world_size())


class FlatGradients:
    """All gradients of a model in one tensor, of which each parameter's .grad is a part.

    What concerns all of them is then one call: setting to 0, adding up over processes, clipping.
    Behind them lie three sums of numbers that the processes share as well.
    """

    def __init__(self, model: nn.Module) -> None:
        parameters = [x for x in model.parameters() if x.requires_grad]
        sizes = [x.numel() for x in parameters]
        self.flat = parameters[0].new_zeros(sum(sizes) + 3)
        *parts, self.sums = self.flat.split([*sizes, 3])  # sums: loss, labels, dropped samples
        self.values = self.flat[:-3]
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)  # backward adds to it in place
