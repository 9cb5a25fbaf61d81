"""The walk through a network's operations that follows its channels: a rule for each operation."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.fx import Node

from core.engine.networks.labels import FIXED, NO_CHANNEL, Labels, Ties, Value, differ, repeats
from core.spec.errors import InputError, first_line

if TYPE_CHECKING:
    from torch.export import ExportedProgram


class Tracer:
    """One walk through the operations of exported programs of the same network."""

    def __init__(self) -> None:
        self.tensors: dict[str, str] = {}  # names in the program of parameters and buffers
        self.ties = Ties()
        self._values: dict[Node, Any] = {}
        self.axes: dict[tuple[str, int], Tensor] = {}
        self.unknown: list[str] = []  # operations that have no rule

    def run(self, program: ExportedProgram, names: Mapping[str, str]) -> None:
        """``names``: those that the network has for the tensors of the program, where a module has several."""
        signature = program.graph_signature
        tensors = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.tensors = {inner: names.get(name, name) for inner, name in tensors.items()}
        for node in program.graph.nodes:
            try:
                self._values[node] = self._follow(node)
            # A rule expects of its operation what PyTorch's layers do; a forward method may use it in any other way.
            except (AttributeError, LookupError, TypeError, ValueError, RuntimeError, AssertionError) as error:
                raise InputError(
                    "The network cannot be followed through its operation {operation} ({reason}).",
                    operation=_name(node.target),
                    reason=f"{type(error).__name__}: {first_line(error)}"[:100],
                ) from None

    def knows(self, names: Iterable[str]) -> bool:
        """Whether all tensors ``names`` have been met."""
        met = {name for name, _ in self.axes}
        return all(name in met for name in names)

    def _follow(self, node: Node) -> Any:
        if node.op == "call_function":
            return self._call(node)
        if node.op == "output":
            return self.ties.fix(self._activations(node), "the output")
        return self._input(node)

    def _input(self, node: Node) -> Value | None:
        val = node.meta.get("val")  # None of a part of the network that is called as a whole, as under autocast
        return None if val is None else Value(torch.zeros(val.shape, dtype=torch.int64))

    def _call(self, node: Node) -> Any:
        if node.target is operator.getitem:
            return self._values[node.args[0]][node.args[1]]  # type: ignore[index]
        name = _name(node.target)
        rule = _RULES.get(name, Tracer._unknown)
        return rule(self, node)

    # -- what the rules share

    def value(self, argument: Any) -> Value:
        value = self._values[argument]
        assert isinstance(value, Value)
        return value

    def labels(self, argument: Any) -> Labels:
        return self.value(argument).labels

    def parameter(self, argument: Any) -> str | None:
        """The name of the parameter or buffer that ``argument`` is."""
        return self.tensors.get(argument.name) if isinstance(argument, Node) else None

    def _activations(self, node: Node) -> list[Labels]:
        values = (self._values.get(each) for each in node.all_input_nodes)
        flat = (one for value in values for one in (value if isinstance(value, tuple) else (value,)))
        return [one.labels for one in flat if isinstance(one, Value)]

    def add_axis(self, argument: Any, dim: int, channels: Tensor) -> None:
        name = self.parameter(argument)
        if name is None:  # computed from parameters: nothing that could be cut
            self.ties.fix([channels], "a computed weight")
        elif (name, dim) in self.axes:  # a module that is used again
            self.ties.tie(self.axes[name, dim], channels, "a layer that is used twice")
        else:
            self.axes[name, dim] = channels

    def along(self, labels: Labels, dim: int, why: str) -> Tensor:
        """The label at each position of ``dim``, which all that lie across it are tied to."""
        lines = labels.movedim(dim, 0).flatten(1)
        if lines.shape[1] > 1 and bool((lines != lines[:, :1]).any()):
            self.ties.tie(lines, lines[:, :1].expand_as(lines), why)
        return lines[:, 0].clone()

    def spread(self, node: Node, channels: Tensor, dim: int = 1) -> Labels:
        """Labels of the output of ``node`` that has ``channels`` along ``dim``."""
        shape = list(node.meta["val"].shape)
        view = [1] * len(shape)
        view[dim] = -1
        return channels.view(view).expand(shape).contiguous()

    def read(self, argument: Any, dim: int, why: str) -> Tensor:
        """The channels along ``dim`` of an activation that a layer reads."""
        value = self.value(argument)
        if not value.zero:  # a channel without weights is not zero here, and would be missed
            self.ties.fix([value.labels], "a function that is not zero at zero")
        return self.along(value.labels, dim, why)

    # -- rules, by operation

    def _unknown(self, node: Node) -> Any:
        self.unknown.append(_name(node.target))
        self.ties.fix(self._activations(node), _name(node.target))
        return _map_tensors(node.meta.get("val"), lambda val: Value(torch.full(val.shape, FIXED, dtype=torch.int64)))

    def _move(self, node: Node) -> Any:
        """Operations that only move elements: done to the labels."""
        zero = [self.value(each).zero for each in node.all_input_nodes]
        arguments = torch.fx.node.map_arg((node.args, node.kwargs), self.labels)
        assert callable(node.target)
        moved = node.target(*arguments[0], **arguments[1])
        return _map_tensors(moved, lambda labels: Value(labels, all(zero)))

    def _split(self, node: Node) -> Any:
        """Equal parts lose the same channels, so that the same code splits what is left in the same way."""
        parts = self._move(node)
        labels = [part.labels for part in parts]
        whole = self.labels(node.args[0])
        changed = next((dim for dim, size in enumerate(labels[0].shape) if size != whole.shape[dim]), None)
        if changed is None or not differ(whole, changed):
            return parts
        for part in labels[1:]:
            if part.shape != labels[0].shape:
                self.ties.fix([whole], "unequal parts")
                break
            self.ties.tie(part, labels[0], "a split")
        return parts

    def _view(self, node: Node) -> Any:
        """Where channels are laid out in rows, whole columns go, so that the same number of rows remains."""
        moved, whole = self._move(node), self.labels(node.args[0])
        varied = [dim for dim in range(moved.labels.dim()) if differ(moved.labels, dim)]
        if len(varied) > sum(differ(whole, dim) for dim in range(whole.dim())):
            first = moved.labels.narrow(varied[0], 0, 1)
            self.ties.tie(moved.labels, first.expand_as(moved.labels), "a view")
        return moved

    def _slice(self, node: Node) -> Any:
        """Channels that are named by numbers stay."""
        moved, whole = self._move(node), self.labels(node.args[0])
        dim = int(node.args[1]) if len(node.args) > 1 else 0  # type: ignore[arg-type]
        if moved.labels.shape != whole.shape and differ(whole, dim):
            self.ties.fix([whole], "a slice")
        return moved

    def _pad(self, node: Node) -> Any:
        """Zeros around pixels belong to the channel beside them."""
        widths = node.args[1]
        labels, val = self.labels(node.args[0]), node.meta["val"]
        changed = [dim for dim, size in enumerate(val.shape) if size != labels.shape[dim]]
        if not isinstance(widths, list | tuple) or any(dim < 2 for dim in changed):
            return self._unknown(node)
        return Value(self.spread(node, self.along(labels, 1, "pad")), self.value(node.args[0]).zero)

    def _unary(self, node: Node, *, zero: bool = True) -> Value:
        (source, *_) = node.all_input_nodes
        before = self.value(source)
        return Value(before.labels, before.zero and zero)

    def _binary(self, node: Node, *, product: bool = False) -> Any:
        operands = [each for each in node.args[:2] if isinstance(each, Node)]
        shape = node.meta["val"].shape
        if len(operands) < 2:  # with a number
            return self._unary(node, zero=product)
        sides = [self._operand(each, shape) for each in operands]
        for side, other in (sides, sides[::-1]):
            self._fix_where_repeated(side, other, shape, _name(node.target))
        expanded = [side.expand(shape) for side in sides]
        tied = [
            one.masked_fill(repeats(side, other, shape), NO_CHANNEL)
            for one, side, other in zip(expanded, sides, sides[::-1], strict=True)
        ]
        both = [~repeats(side, other, shape) for side, other in (sides, sides[::-1])]
        where = both[0] & both[1]
        self.ties.tie(tied[0][where], tied[1][where], _name(node.target))
        labels = torch.where(both[0], expanded[0], expanded[1])
        labels = torch.where(labels == NO_CHANNEL, torch.where(both[1], expanded[1], expanded[0]), labels)
        zeros = [self.value(each).zero for each in operands]
        return Value(labels.contiguous(), any(zeros) if product else all(zeros))

    def _operand(self, argument: Node, shape: torch.Size) -> Labels:
        """Its labels; a parameter that is added to or multiplied with channels gets some of its own."""
        name = self.parameter(argument)
        labels = self.labels(argument)
        long = [dim for dim, size in enumerate(labels.shape) if size > 1]
        if name is not None and len(long) == 1:
            own = self.ties.new(labels.shape[long[0]])
            self.add_axis(argument, long[0], own)
            view = [1] * labels.dim()
            view[long[0]] = -1
            labels = own.view(view).expand(labels.shape)
        return labels.reshape([1] * (len(shape) - labels.dim()) + list(labels.shape))

    def _fix_where_repeated(self, side: Labels, other: Labels, shape: torch.Size, why: str) -> None:
        """A channel that is combined with each of several others stays, and ties none of them."""
        if bool(repeats(side, other, shape).any()):
            self.ties.fix([side], why)

    def _conv(self, node: Node) -> Value:
        arguments = _arguments(node)
        source, weight = arguments["input"], arguments["weight"]
        groups, outputs = int(arguments["groups"]), node.meta["val"].shape[1]
        read = self.read(source, 1, "a convolution")
        if groups == 1:
            self.add_axis(weight, 1, read)
            written = self.ties.new(outputs)
        else:  # whole groups go: their inputs and outputs together; where each has one channel, it is depthwise
            members = read.view(groups, -1)
            self.ties.tie(members, members[:, :1].expand_as(members), "a grouped convolution")
            written = members[:, 0].repeat_interleave(outputs // groups)
        self.add_axis(weight, 0, written)
        self._add_bias(arguments["bias"], written)
        return Value(self.spread(node, written))

    def _linear(self, node: Node) -> Value:
        arguments = _arguments(node)
        source, weight = arguments["input"], arguments["weight"]
        self.add_axis(weight, 1, self.read(source, -1, "a linear layer"))
        written = self.ties.new(node.meta["val"].shape[-1])
        self.add_axis(weight, 0, written)
        self._add_bias(arguments["bias"], written)
        return Value(self.spread(node, written, -1))

    def _add_bias(self, bias: Any, written: Tensor) -> None:
        if isinstance(bias, Node):
            self.add_axis(bias, 0, written)

    def _batch_norm(self, node: Node) -> Any:
        arguments = _arguments(node)
        channels = self.along(self.labels(arguments["input"]), 1, "BatchNorm")
        tensors = [arguments[name] for name in ("weight", "bias", "running_mean", "running_var")]
        if not all(isinstance(tensor, Node) for tensor in tensors):  # a channel without weights would not be zero
            return self._unknown(node)
        for tensor in tensors:
            self.add_axis(tensor, 0, channels)
        return Value(self.spread(node, channels))

    def _prelu(self, node: Node) -> Value:
        """ReLU with a slope for each channel, or one for all."""
        source, slope = node.args[:2]
        if self.labels(slope).numel() > 1:
            self.add_axis(slope, 0, self.along(self.labels(source), 1, "PReLU"))
        return self.value(source)

    def _pool(self, node: Node) -> Any:
        source = self.value(node.args[0])
        if source.labels.dim() != 4:
            return self._unknown(node)
        return Value(self.spread(node, self.along(source.labels, 1, "pooling")), source.zero)

    def _mean(self, node: Node) -> Any:
        arguments = _arguments(node)
        source = self.value(arguments.get("self", arguments.get("input")))
        labels = source.labels
        dims = sorted((dim % labels.dim() for dim in arguments.get("dim") or range(labels.dim())), reverse=True)
        if any(differ(labels, dim) for dim in dims):  # over channels: their number would change the mean
            return self._unknown(node)
        for dim in dims:
            labels = labels.narrow(dim, 0, 1) if arguments["keepdim"] else labels.select(dim, 0)
        return Value(labels.contiguous(), source.zero)


def _name(target: Any) -> str:
    return str(getattr(target, "name", lambda: target)()).removeprefix("aten::").split(".")[0].rstrip("_")


def _arguments(node: Node) -> dict[str, Any]:
    """The arguments of an operation by name, with its defaults."""
    schema = node.target._schema  # type: ignore[union-attr]
    found = {argument.name: argument.default_value for argument in schema.arguments if argument.has_default_value()}
    found |= dict(zip((argument.name for argument in schema.arguments), node.args, strict=False))
    return found | dict(node.kwargs)


def _map_tensors(found: Any, make: Callable[[Any], Value]) -> Any:
    if isinstance(found, tuple | list):
        return tuple(_map_tensors(one, make) for one in found)
    return make(found) if isinstance(found, Tensor) else None


_MOVES = "permute transpose t flatten squeeze unsqueeze expand cat concat"
_MOVES += " stack clone contiguous alias detach movedim expand_as view_as repeat channel_shuffle"
_ZERO_AT_ZERO = "relu relu6 hardtanh silu gelu hardswish leaky_relu elu tanh mish selu dropout feature_dropout abs neg"
_ZERO_AT_ZERO += " native_dropout to _to_copy alpha_dropout softsign sqrt"
_ELSEWHERE = "sigmoid hardsigmoid softplus exp log_sigmoid clamp pow"
_POOLS = "max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d upsample_nearest2d upsample_bilinear2d"
_PRODUCTS, _SUMS = "mul div", "add sub maximum minimum"

Rule = Callable[[Tracer, Node], Any]
_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_MOVES.split(), Tracer._move),
    **dict.fromkeys(("view", "reshape", "_unsafe_view", "unflatten"), Tracer._view),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "unbind"), Tracer._split),
    **dict.fromkeys(("slice", "select", "narrow"), Tracer._slice),
    **dict.fromkeys(_ZERO_AT_ZERO.split(), Tracer._unary),
    **dict.fromkeys(_ELSEWHERE.split(), partial(Tracer._unary, zero=False)),
    **dict.fromkeys(_POOLS.split(), Tracer._pool),
    **dict.fromkeys(_SUMS.split(), Tracer._binary),
    **dict.fromkeys(_PRODUCTS.split(), partial(Tracer._binary, product=True)),
    "conv1d": Tracer._conv,
    "conv2d": Tracer._conv,
    "conv3d": Tracer._conv,
    "linear": Tracer._linear,
    "prelu": Tracer._prelu,
    "batch_norm": Tracer._batch_norm,
    "mean": Tracer._mean,
    "pad": Tracer._pad,
    "constant_pad_nd": Tracer._pad,
}
