"""Generators in 8-bit integers, computed by OpenVINO on the CPU.

A generator is followed through its layers (torch.fx), and each is written down as the OpenVINO operation of the same
meaning. What convolutions multiply becomes 8-bit integers: weights with a scale for each output channel, grey values
and features with one range each, found on examples (Jacob et al. 2018, Quantization and Training of Neural Networks for
Efficient Integer-Arithmetic-Only Inference, https://arxiv.org/abs/1712.05877). Sums, the normalisation of instance norm
and the output stay float32.
"""

from __future__ import annotations

import copy
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from txm2sem.devices import adds_8_bit_products_exactly
from txm2sem.errors import UserError, extra
from txm2sem.networks.blockwise import REDUCTION, BlockReflection, BlockwiseRefinement
from txm2sem.networks.residual_unet import Refinement

Ranges = dict[str, tuple[float, float]]
"""The smallest and the largest value that is kept, by the names that the traced network has for what is quantised."""

CONVOLUTIONS = (nn.Conv2d, nn.ConvTranspose2d)

MOVING = (nn.ReflectionPad2d, BlockReflection, nn.PixelShuffle, nn.Dropout, nn.Dropout2d, nn.Identity)
"""Layers that only move values, in evaluation mode: what a convolution sees can be made integers before them."""

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.SiLU, nn.Tanh)

LEVELS = 256

NEARLY_ZERO = 1e-30
"""Changes no sum of grey values."""

FRACTIONS = (1.0, 0.8, 0.6, 0.4, 0.3, 0.2, 0.1)
"""Parts of the range of all values that are tried: a narrower one cuts the largest values off, but has finer steps."""

TRIAL = 4
"""One example of so many is tried with each of them."""


def import_openvino() -> tuple[ModuleType, ModuleType]:
    """Return the modules `openvino` and that of its operations.

    Raises:
        UserError: it is not installed.
    """
    # On import OpenVINO tells its makers so, over the network, unless its package for that is missing.
    telemetry = sys.modules.get("openvino_telemetry")
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import openvino
        from openvino import opset13
    except ImportError as error:
        raise UserError(
            f"--backend openvino needs OpenVINO, which cannot be imported ({error}); {extra('openvino')}, or "
            "leave the option out"
        ) from None
    finally:
        del sys.modules["openvino_telemetry"]
        if telemetry is not None:
            sys.modules["openvino_telemetry"] = telemetry
    return openvino, opset13


class OpenVinoNetwork(nn.Module):
    """A generator with frozen statistics, computed by OpenVINO with as many threads as torch has now.

    It takes the generator's place: (N, C, H, W) float32 in, the prediction out, of any size that the generator takes.

    Args:
        generator: the network; it is left as it is.
        channels: C.
        ranges: of `find_ranges`, for 8-bit integers; without them the network is computed in float32.

    Raises:
        UserError: OpenVINO is not installed.
    """

    def __init__(self, generator: nn.Module, channels: int, ranges: Ranges | None) -> None:
        super().__init__()
        openvino, ops = import_openvino()
        source = ops.parameter(openvino.PartialShape([-1, channels, -1, -1]), np.float32)
        prediction = _Translation(_traced(generator), ops, ranges).run(source)
        settings = {
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
            # Several processes would all take the same cores.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = openvino.Model([prediction], [source])
        self._request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()

    def forward(self, source: Tensor) -> Tensor:
        """Translate (N, C, H, W)."""
        return torch.from_numpy(self._request.infer([source.contiguous().numpy()], share_inputs=True)[0])


@torch.no_grad()
def find_ranges(generator: nn.Module, examples: Sequence[Tensor]) -> Ranges:
    """Find the ranges with which the convolutions change least, over some examples.

    Of the fractions of what all values span, each convolution has the one that changes its output least in the mean
    square, behind the activation that follows it. That matters most for the last one, which sums many small values
    beside a few large ones to grey values, of which a tanh bounds the largest.

    Args:
        generator: the network, which is left as it is; its statistics are frozen.
        examples: what it sees, (N, C, H, W).
    """
    traced = _traced(generator)
    for example in examples:
        traced(example)
    layers = {name: layer for name, layer in traced.named_children() if isinstance(layer, _Range)}
    ranges = {name: [(layer.low * part, layer.high * part) for part in FRACTIONS] for name, layer in layers.items()}
    errors = {name: torch.zeros(len(FRACTIONS)) for name in layers}

    def compare(name: str) -> Callable[..., None]:
        def compare_outputs(convolution: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            exact = layers[name].activation(output)
            for number, ends in enumerate(ranges[name]):
                rounded = torch.fake_quantize_per_tensor_affine(inputs[0], *_steps(*ends), 0, LEVELS - 1)
                found = layers[name].activation(convolution.forward(rounded))
                errors[name][number] += (found - exact).square().mean()

        return compare_outputs

    for name, layer in layers.items():
        traced.get_submodule(layer.convolution).register_forward_hook(compare(name))
    for example in examples[::TRIAL]:
        traced(example)
    return {name: ends[int(errors[name].argmin())] for name, ends in ranges.items()}


def range_names(generator: nn.Module) -> set[str]:
    """Return the names that the ranges of a network have."""
    return {name for name, layer in _traced(generator).named_children() if isinstance(layer, _Range)}


def _steps(low: float, high: float) -> tuple[float, int]:
    """Return the step between the integers of a range, and the integer that stands for 0."""
    step = (high - low) / (LEVELS - 1) or 1.0
    return step, round(-low / step)


class _Range(nn.Module):
    """Passes on what a convolution will see and keeps its extremes; 0 is always between them, as images are padded.

    Attributes:
        convolution: its name.
        activation: what follows it.
        low, high: the extremes.
    """

    def __init__(self, convolution: str, activation: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution
        self.activation = activation
        self.low = self.high = 0.0

    def forward(self, x: Tensor) -> Tensor:
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        return x


class _Tracer(fx.Tracer):
    """Follows a network down to the layers that have a translation."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, tuple(LAYERS))


def _traced(generator: nn.Module) -> fx.GraphModule:
    """Return a copy of a network in evaluation mode, with batch norms folded into convolutions that only they see, that
    has a `_Range` where values are to become integers."""
    network = _in_blocks(copy.deepcopy(generator)).eval().requires_grad_(False)
    traced = fx.GraphModule(network, _Tracer().trace(network))
    for node in list(traced.graph.nodes):
        layer = _layer(traced, node)
        if isinstance(layer, nn.BatchNorm2d):
            convolution = node.args[0]
            before = _layer(traced, convolution)
            if not isinstance(before, CONVOLUTIONS) or len(convolution.users) > 1:
                continue
            folded = fuse_conv_bn_eval(before, layer, transpose=isinstance(before, nn.ConvTranspose2d))
            parent, _, child = str(convolution.target).rpartition(".")
            setattr(traced.get_submodule(parent), child, folded)
            node.replace_all_uses_with(convolution)
            traced.graph.erase_node(node)
        elif isinstance(layer, nn.PixelShuffle):
            _swap_with_activation(node)
    _insert_ranges(traced)
    traced.recompile()
    return traced


def _in_blocks(network: nn.Module) -> nn.Module:
    """Let a network, which is changed, refine its prediction in blocks, where it does; return it."""
    for part in list(network.modules()):
        for name, layer in part.named_children():
            if isinstance(layer, Refinement) and layer.reduction == REDUCTION:
                setattr(part, name, BlockwiseRefinement(layer))
    return network


def _swap_with_activation(shuffle: fx.Node) -> None:
    """Let the activation after a pixel shuffle come before it, as part of the convolution; the result is the same."""
    (activation,) = shuffle.users
    source = shuffle.args[0]
    activation.replace_all_uses_with(shuffle)
    activation.args, shuffle.args = (source,), (activation,)
    activation.append(shuffle)


def _insert_ranges(traced: fx.GraphModule) -> None:
    convolutions = [node for node in traced.graph.nodes if isinstance(_layer(traced, node), CONVOLUTIONS)]
    for number, node in enumerate(convolutions):
        user, source = node, node.args[0]
        while isinstance(_layer(traced, source), MOVING):
            user, source = source, source.args[0]
        behind = _layer(traced, next(iter(node.users)))
        activation = behind if isinstance(behind, ACTIVATIONS) else nn.Identity()
        traced.add_submodule(f"range{number}", _Range(str(node.target), activation))
        with traced.graph.inserting_after(source):
            user.replace_input_with(source, traced.graph.call_module(f"range{number}", (source,)))


def _layer(traced: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return traced.get_submodule(str(node.target)) if node.op == "call_module" else None


class _Translation(fx.Interpreter):
    """Runs through a traced network with OpenVINO's nodes for tensors."""

    def __init__(self, traced: fx.GraphModule, ops: ModuleType, ranges: Mapping[str, tuple[float, float]] | None):
        super().__init__(traced)
        self.ops = ops
        self.ranges = ranges

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        layer = self.fetch_attr(target)
        if isinstance(layer, _Range):
            return args[0] if self.ranges is None else self.integers(args[0], *self.ranges[target])
        translate = next(translate for kind, translate in LAYERS.items() if isinstance(layer, kind))
        return translate(self, layer, *args)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return FUNCTIONS[target](self, *args, **kwargs)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.ops.constant(self.fetch_attr(target).numpy())

    def integers(self, x: Any, low: float, high: float) -> Any:
        step, zero = _steps(low, high)
        ends = np.float32(-zero * step), np.float32((LEVELS - 1 - zero) * step)
        return self.ops.fake_quantize(x, *ends, *ends, LEVELS)

    def convolution(self, layer: nn.Conv2d, x: Any) -> Any:
        rows, columns = cast(tuple[int, int], layer.padding)
        margins = [rows, columns]
        if layer.padding_mode == "reflect":
            x = self.continued(x, columns, columns, rows, rows)
            margins = [0, 0]
        weight = self.weight(layer, 0)
        return self.biased(
            self.ops.convolution(x, weight, list(layer.stride), margins, margins, list(layer.dilation)), layer
        )

    def transposed_convolution(self, layer: nn.ConvTranspose2d, x: Any) -> Any:
        margins = list(layer.padding)
        return self.biased(
            self.ops.convolution_backprop_data(
                x,
                self.weight(layer, 1),
                list(layer.stride),
                pads_begin=margins,
                pads_end=margins,
                dilations=list(layer.dilation),
                output_padding=list(layer.output_padding),
            ),
            layer,
        )

    def weight(self, layer: nn.Conv2d | nn.ConvTranspose2d, axis: int) -> Any:
        """Return a convolution's weights, as integers with a scale for each output channel, which lie along `axis`."""
        weight = layer.weight.numpy()
        if self.ranges is None:
            return self.ops.constant(weight)
        others = tuple(number for number in range(weight.ndim) if number != axis)
        # Half the steps where sums of products would be cut off otherwise.
        scale = np.abs(weight).max(others, keepdims=True) / (127 if adds_8_bit_products_exactly() else 63)
        scale[scale == 0] = 1
        whole = self.ops.constant(np.round(weight / scale).astype(np.int8))
        return self.ops.multiply(self.ops.convert(whole, np.float32), self.ops.constant(scale.astype(np.float32)))

    def biased(self, x: Any, layer: nn.Conv2d | nn.ConvTranspose2d) -> Any:
        if layer.bias is None:
            return x
        # A bias of zeros would be dropped, and then the sum of a convolution in integers and something made of it is
        # wrong (OpenVINO 2026.4).
        bias = np.where(layer.bias == 0, np.float32(NEARLY_ZERO), layer.bias.numpy())
        return self.ops.add(x, self.ops.constant(bias[:, None, None]))

    def normalised(self, layer: nn.BatchNorm2d, x: Any) -> Any:
        """Return features by the statistics of training."""
        assert layer.running_mean is not None and layer.running_var is not None
        scale = layer.weight / torch.sqrt(layer.running_var + layer.eps)
        shift = layer.bias - layer.running_mean * scale
        scale, shift = (self.ops.constant(values.numpy()[:, None, None]) for values in (scale, shift))
        return self.ops.add(self.ops.multiply(x, scale), shift)

    def continued(self, x: Any, left: int, right: int, top: int, bottom: int, mode: str = "reflect") -> Any:
        return self.ops.pad(x, [0, 0, top, left], [0, 0, bottom, right], mode)

    def with_reflected_blocks(self, layer: BlockReflection, blocks: Any) -> Any:
        for axis, move in layer.moves.items():
            first, last = self.part(blocks, axis, 0, 1), self.part(blocks, axis, -1, None)
            blocks = self.ops.concat([self.rolled(first, move), blocks, self.rolled(last, -move)], axis)
        return blocks

    def rolled(self, x: Any, move: int) -> Any:
        """Return x with its channels moved on. (OpenVINO's own rolling wants them in another layout.)"""
        return self.ops.concat([self.part(x, 1, -move, None), self.part(x, 1, 0, -move)], 1)

    def part(self, x: Any, axis: int, start: int, stop: int | None) -> Any:
        return self.ops.slice(x, [start], [np.iinfo(np.int64).max if stop is None else stop], [1], [axis])

    def halved(self, x: Any, side: int) -> Any:
        return self.ops.avg_pool(x, [side, side], [0, 0], [0, 0], [side, side], exclude_pad=True)

    def enlarged(self, x: Any, *, scale_factor: int, **_: Any) -> Any:
        scales = np.full(2, scale_factor, np.float32)
        return self.ops.interpolate(
            x, scales, "linear_onnx", "scales", axes=np.array([2, 3]), coordinate_transformation_mode="half_pixel"
        )

    def sloped(self, slope: Any, x: Any) -> Any:
        return self.ops.prelu(x, self.ops.constant(np.asarray(slope, np.float32).reshape(-1)))


LAYERS: dict[type[nn.Module], Callable[..., Any]] = {
    nn.Conv2d: _Translation.convolution,
    nn.ConvTranspose2d: _Translation.transposed_convolution,
    nn.ReflectionPad2d: lambda self, layer, x: self.continued(x, *layer.padding),
    nn.ReplicationPad2d: lambda self, layer, x: self.continued(x, *layer.padding, "edge"),
    BlockReflection: _Translation.with_reflected_blocks,
    nn.ReLU: lambda self, layer, x: self.ops.relu(x),
    nn.LeakyReLU: lambda self, layer, x: self.sloped(layer.negative_slope, x),
    nn.PReLU: lambda self, layer, x: self.sloped(layer.weight.numpy(), x),
    nn.SiLU: lambda self, layer, x: self.ops.swish(x),
    nn.Tanh: lambda self, layer, x: self.ops.tanh(x),
    nn.PixelShuffle: lambda self, layer, x: self.ops.depth_to_space(x, "depth_first", layer.upscale_factor),
    nn.BatchNorm2d: _Translation.normalised,
    nn.InstanceNorm2d: lambda self, layer, x: self.ops.mvn(x, np.array([2, 3]), True, layer.eps, "inside_sqrt"),
    nn.Dropout: lambda self, layer, x: x,
    nn.Dropout2d: lambda self, layer, x: x,
    nn.Identity: lambda self, layer, x: x,
}
"""The translation of each kind of layer."""

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.add: lambda self, one, other: self.ops.add(one, other),
    operator.mul: lambda self, one, other: self.ops.multiply(one, other),
    torch.cat: lambda self, tensors, dim: self.ops.concat(tensors, dim),
    F.silu: lambda self, x, **_: self.ops.swish(x),
    F.pixel_unshuffle: lambda self, x, factor: self.ops.space_to_depth(x, "depth_first", factor),
    F.avg_pool2d: _Translation.halved,
    F.interpolate: _Translation.enlarged,
}
"""The translation of each function that networks call themselves."""
