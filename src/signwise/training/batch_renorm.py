"""Batch norm for fine-tuning: it answers as in evaluation, and learns as in training.

In training mode a batch norm takes the statistics of the batch. A pre-trained network then computes
something else than what its head was fitted on, and validation falls before it rises. In evaluation
mode it takes its running statistics, and a body that learns by gradients of these soon diverges.
Batch renormalisation does both: what it computes is what evaluation computes, and the gradient
goes through the statistics of the batch, which the running ones follow slowly. LOG.md has figures.

Ioffe, "Batch Renormalization: Towards Reducing Minibatch Dependence in Batch-Normalized Models",
2017, without bounds on the correction, since the running statistics are good from the first step.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from signwise.training import ranks
from signwise.training.batch_norm import batch_statistics, normalised


class BatchRenorm2d(nn.BatchNorm2d):
    """A batch norm of pictures (B, C, H, W) that computes the same in training and evaluation."""

    def forward(self, input: Tensor) -> Tensor:
        """As in evaluation; in training the running statistics then follow the batch's."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.momentum is not None
        found = None if ranks.count() == 1 else batch_statistics(input)
        with torch.no_grad():
            if found is None:
                # Batch norm's own kernel: var_mean over these three sides took a third of an epoch.
                _, mean, inverse_deviation = torch.native_batch_norm(
                    input, None, None, None, None, training=True, momentum=0.0, eps=self.eps
                )
                variance = (inverse_deviation.square().reciprocal() - self.eps).clamp(min=0)
            else:
                variance, mean = found.variance, found.mean
                inverse_deviation = (variance + self.eps).rsqrt()
            running_inverse = (self.running_var + self.eps).rsqrt()
            ratio = running_inverse / inverse_deviation
            shift = (mean - self.running_mean) * running_inverse
        weight, bias = self.weight * ratio, self.weight * shift + self.bias
        if found is None:
            output = functional.batch_norm(
                input, None, None, weight, bias, training=True, eps=self.eps
            )
        else:
            output = normalised(input, found, weight, bias, self.eps)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        return output


def renormalise(network: nn.Module, momentum: float) -> None:
    """Make every batch norm a renormalising one, in place, with the same weights and names.

    At each step the running statistics move by `momentum` towards those of the batch.
    """
    for name, layer in list(network.named_modules()):
        if type(layer) is nn.BatchNorm2d:
            new = BatchRenorm2d(layer.num_features, layer.eps, momentum)
            new.weight, new.bias = layer.weight, layer.bias
            for buffer, value in layer.named_buffers():
                setattr(new, buffer, value)
            new.train(layer.training)
            network.set_submodule(name, new)
