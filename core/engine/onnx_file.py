"""A network as an ONNX file, written operation by operation.

torch.onnx.export takes seconds to trace the same graph and adds 70 kB of descriptions, and the size of this file is measured
in every run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper
from torch import nn

from core.engine.deploy import folded
from core.engine.networks.resnet18 import BLOCKS, INPUT_SHAPE, STAGES, Block, ResNet
from core.spec.errors import InputError

INPUT, OUTPUT = "images", "logits"
_INPUT_FORMAT = "float32 [batch, 3, 32, 32], RGB; of each channel from 0 to 1, less `mean`, divided by `std`"
OPSET, IR_VERSION = 17, 8  # of 2022: all that is needed has been there since
MAX_BYTES = 2 << 30  # of a protobuf message


def encode_onnx(model: ResNet, notes: Mapping[str, Any]) -> bytes:
    """The content of an ONNX file that computes what ``model`` does, for any number of images: ``images`` to
    ``logits``, with BatchNorm folded into the convolutions. ``notes`` become its metadata.

    InputError for a network that is too large for one.
    """
    if sum(weight.nbytes for weight in model.parameters()) >= MAX_BYTES:
        raise InputError("An ONNX file holds at most 2 GB, less than this network: choose another format.")
    graph = _graph(folded(model).cpu())
    opset = helper.make_opsetid("", OPSET)
    file = helper.make_model(graph, producer_name="PruneScope", ir_version=IR_VERSION, opset_imports=[opset])
    helper.set_model_props(file, {name: str(value) for name, value in notes.items()} | {INPUT: _INPUT_FORMAT})
    content: bytes = file.SerializeToString()
    return content


def _graph(network: ResNet) -> GraphProto:
    """The operations of a network whose BatchNorm is folded; each value is named after the layer that computes it."""
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
    for name in (f"layer{stage}.{block}" for stage in range(1, STAGES + 1) for block in range(BLOCKS)):
        block = network.get_submodule(name)
        assert isinstance(block, Block)
        # The network slices every second pixel before the projection; a stride does the same.
        residual = x if block.downsample is None else convolve(f"{name}.downsample.0", x, block.step)
        x = add("Relu", f"{name}.relu1", convolve(f"{name}.conv1", x))
        x = add("Add", f"{name}.add", convolve(f"{name}.conv2", x), residual)
        x = add("Relu", f"{name}.relu2", x)
    x = add("Flatten", "flatten", add("GlobalAveragePool", "pool", x))
    add("Gemm", OUTPUT, x, "fc.weight", "fc.bias", transB=1)
    images = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["batch", *INPUT_SHAPE])
    logits = helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["batch", network.shape.classes])
    weights = [numpy_helper.from_array(w.contiguous().numpy(), name) for name, w in network.state_dict().items()]
    return helper.make_graph(nodes, "ResNet", [images], [logits], weights)
