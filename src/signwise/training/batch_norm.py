"""Batch norms whose statistics are those of the whole batch, of which each process has a share.

On GPUs PyTorch's SyncBatchNorm does this; it takes no tensor of a CPU.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from signwise.training import ranks


@dataclass(frozen=True, kw_only=True)
class BatchStatistics:
    """What a batch norm learns from pictures (B, C, H, W) of all processes; gradients flow."""

    count: Tensor
    """(), the pixels of all pictures, B * H * W."""
    mean: Tensor
    """(C,)."""
    variance: Tensor
    """(C,), the biased one."""


def batch_statistics(pictures: Tensor) -> BatchStatistics:
    """The statistics over the shares (B, C, H, W) of all processes; a share is never empty."""
    wide = pictures.to(torch.promote_types(pictures.dtype, torch.float32))
    own_variance, own_mean = torch.var_mean(wide, (0, 2, 3), correction=0)
    own_count = own_mean.new_tensor([wide[:, 0].numel()])
    sums = ranks.summed(torch.cat((own_mean * own_count, own_count)))
    count = sums[-1].detach()
    mean = sums[:-1] / count
    # Not by the mean of the squares, which are nearly as large as what is taken off them.
    squares = ranks.summed(own_count * (own_variance + (own_mean - mean).square()))
    return BatchStatistics(count=count, mean=mean, variance=squares / count)


def normalised(
    pictures: Tensor, found: BatchStatistics, weight: Tensor, bias: Tensor, eps: float
) -> Tensor:
    """Pictures (B, C, H, W) with these statistics taken off, times weight (C,), plus bias (C,)."""
    scale = weight * (found.variance + eps).rsqrt()
    shift = bias - found.mean * scale
    wide = pictures.to(scale.dtype)
    return (wide * scale[:, None, None] + shift[:, None, None]).to(pictures.dtype)


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """A batch norm over the shares of all processes."""

    def forward(self, input: Tensor) -> Tensor:
        """As BatchNorm2d on the whole batch."""
        if not self.training or ranks.count() == 1:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        found = batch_statistics(input)
        with torch.no_grad():
            unbiased = found.variance * (found.count / (found.count - 1))
            self.running_mean.lerp_(found.mean.to(self.running_mean.dtype), self.momentum)
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
            self.num_batches_tracked.add_(1)
        return normalised(input, found, self.weight, self.bias, self.eps)


def share_statistics(network: nn.Module) -> None:
    """Let every batch norm see the whole batch, in place, with the same weights and names."""
    if ranks.count() == 1:
        return
    on_gpu = next(network.parameters()).device.type == "cuda"
    for name, layer in list(network.named_modules()):
        if type(layer) is nn.BatchNorm2d:
            kind = nn.SyncBatchNorm if on_gpu else GlobalBatchNorm2d
            new = kind(layer.num_features, layer.eps, layer.momentum)
            new.weight, new.bias = layer.weight, layer.bias
            for buffer, value in layer.named_buffers():
                setattr(new, buffer, value)
            new.train(layer.training)
            network.set_submodule(name, new)
