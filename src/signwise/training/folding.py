"""A network as it answers, made faster: batch norms folded into the convolutions before them."""

from collections import Counter
from copy import deepcopy

from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class _Layers(fx.Tracer):
    """Traces to layers, our own batch norms among them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the layer is one, and not looked into."""
        return isinstance(m, nn.BatchNorm2d) or super().is_leaf_module(m, module_qualified_name)


def folded(network: nn.Module) -> nn.Module:
    """A copy of the network in evaluation mode, without the batch norms that follow a convolution.

    It gives the same logits to the last few bits; mobilenet_v2 in half the time on a CPU. A network
    whose graph can't be traced is copied as it is.
    """
    copy = deepcopy(network).eval()
    try:
        graph = _Layers().trace(copy)
    except Exception:  # tracing runs the network's own code, which may raise anything
        return copy
    layers = dict(copy.named_modules())
    calls = Counter(str(node.target) for node in graph.nodes if node.op == "call_module")
    for node in graph.nodes:
        if node.op != "call_module" or not isinstance(layers[str(node.target)], nn.BatchNorm2d):
            continue
        before = node.args[0]
        assert isinstance(before, fx.Node), "a batch norm takes what another layer gives"
        names = str(before.target), str(node.target)
        convolution, norm = layers.get(names[0]), layers[names[1]]
        # What is called twice, or whose output goes elsewhere too, stays as it is.
        once = len(before.users) == calls[names[0]] == calls[names[1]] == 1
        if once and isinstance(convolution, nn.Conv2d):
            copy.set_submodule(names[0], fuse_conv_bn_eval(convolution, norm))
            copy.set_submodule(names[1], nn.Identity())
    return copy
