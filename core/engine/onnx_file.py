"""A network as an ONNX file. Residual networks are written operation by operation, others by PyTorch's exporter."""

from __future__ import annotations

import contextlib
import io
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from core.engine.deploy import folded
from core.engine.networks.layers import example_of
from core.spec.errors import InputError, first_line
from prunescope.residual import ResNet

INPUT, OUTPUT = "images", "logits"
_INPUT_FORMAT = "float32 [batch, 3, {height}, {width}], RGB; of each channel from 0 to 1, less `mean`, divided by `std`"
OPSET, IR_VERSION = 17, 8  # of 2022: all that is needed has been there since
MAX_BYTES = 2 << 30  # of a protobuf message


def encode_onnx(model: nn.Module, notes: Mapping[str, Any]) -> bytes:
    """The content of an ONNX file that computes what ``model`` does, for any number of images: ``images`` to
    ``logits``, with BatchNorm folded into the convolutions. ``notes`` become its metadata.

    InputError for a network that is too large for one or has an operation that ONNX lacks.
    """
    if sum(weight.nbytes for weight in model.parameters()) >= MAX_BYTES:
        raise InputError("An ONNX file holds at most 2 GB, less than this network: choose another format.")
    example = example_of(model)
    network = folded(model, example).cpu()
    file = _write(network, example.shape[1:]) if isinstance(network, ResNet) else _export(network, example.cpu())
    _, _, height, width = example.shape
    about = {INPUT: _INPUT_FORMAT.format(height=height, width=width)}
    helper.set_model_props(file, {name: str(value) for name, value in notes.items()} | about)
    content: bytes = file.SerializeToString()
    return content


def _export(network: nn.Module, example: torch.Tensor) -> ModelProto:
    """What PyTorch's exporter makes of any network: the one by tracing, which writes in 0.2 seconds what the one by
    torch.export takes 5 for."""
    fast_attention = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # an operation that ONNX lacks
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            tempfile.TemporaryDirectory() as folder,
        ):
            path = Path(folder) / "network.onnx"
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.to(memory_format=torch.contiguous_format),
                (example,),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
                opset_version=OPSET,
                dynamo=False,
            )
            return onnx.load_model(path)
    # Whatever a foreign module raises while its code is traced.
    except Exception as error:
        raise InputError("The network cannot be written as ONNX: {reason}.", reason=first_line(error)) from None
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_attention)


def _write(network: ResNet, picture: Sequence[int]) -> ModelProto:
    opset = helper.make_opsetid("", OPSET)
    return helper.make_model(
        _graph(network, picture), producer_name="PruneScope", ir_version=IR_VERSION, opset_imports=[opset]
    )


def _graph(network: ResNet, picture: Sequence[int]) -> GraphProto:
    """The operations of a network whose BatchNorm is folded, for pictures of that shape; each value is named after the layer
    that computes it."""
    nodes: list[NodeProto] = []

    def add(operation: str, name: str, *inputs: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operation, inputs, [name], name=name, **attributes))
        return name

    def convolve(name: str, x: str, step: int = 1) -> str:
        conv = network.get_submodule(name)
        assert isinstance(conv, nn.Conv2d)
        strides, pads = [step * stride for stride in conv.stride], [*conv.padding, *conv.padding]
        return add("Conv", name, x, f"{name}.weight", f"{name}.bias", strides=strides, pads=pads)

    x = add("Relu", "relu1", convolve("conv1", INPUT))
    for name, block in network.blocks():
        # The network slices every second pixel before the projection; a stride does the same.
        residual = x if block.downsample is None else convolve(f"{name}.downsample.0", x, block.step)
        x = add("Relu", f"{name}.relu1", convolve(f"{name}.conv1", x))
        x = add("Add", f"{name}.add", convolve(f"{name}.conv2", x), residual)
        x = add("Relu", f"{name}.relu2", x)
    x = add("Flatten", "flatten", add("GlobalAveragePool", "pool", x))
    add("Gemm", OUTPUT, x, "fc.weight", "fc.bias", transB=1)
    images = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *picture])
    logits = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", network.shape.classes])
    weights = [numpy_helper.from_array(w.contiguous().numpy(), name) for name, w in network.state_dict().items()]
    return helper.make_graph(nodes, "ResNet", [images], [logits], weights)
