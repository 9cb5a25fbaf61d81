"""Code that loads a downloaded network, to copy and run beside its file."""

from __future__ import annotations


def load_with_prunescope(file: str, size: int) -> str:
    """Python that classifies a picture of ``size`` pixels with the compressed ``file``; it needs the package prunescope."""
    return f"""import numpy as np
import torch
from PIL import Image

from prunescope import load_model, notes_of

file = "{file}"
model, notes = load_model(file), notes_of(file)
mean, std = (
    torch.tensor([float(x) for x in notes[name].split(",")])
    for name in ("mean", "std")
)

picture = Image.open("picture.png").convert("RGB").resize(({size}, {size}))
pixels = torch.tensor(np.array(picture)) / 255
images = ((pixels - mean) / std).permute(2, 0, 1)[None]
with torch.no_grad():
    best = int(model(images).argmax(1))
print(notes["classes"].split(",")[best])
"""


def load_into_own_network(file: str, function: str) -> str:
    """Python that loads the compressed ``file`` of a network that a ``function`` of one's own makes."""
    return f"""from prunescope import load_model, notes_of

file = "{file}"
notes = notes_of(file)
classes = len(notes["classes"].split(","))
network = {function}(classes)  # as it was before it was pruned
model = load_model(file, into=network)  # and as it is now
"""


def load_with_safetensors(file: str, size: int) -> str:
    """Python that classifies a picture of ``size`` pixels with the plain ``file`` of a ResNet-18; it needs nothing of
    PruneScope."""
    return f"""import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch.nn import functional as F

file = "{file}"
with safe_open(file, "pt") as opened:
    notes = opened.metadata()
    w = {{name: opened.get_tensor(name) for name in opened.keys()}}


def conv(x, layer, norm, stride=1):
    weight = w[f"{{layer}}.weight"]
    x = F.conv2d(x, weight, None, stride, weight.shape[2] // 2)
    parts = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(w[f"{{norm}}.{{part}}"] for part in parts))


def model(x):
    x = F.relu(conv(x, "conv1", "bn1"))
    for block in (f"layer{{i // 2 + 1}}.{{i % 2}}" for i in range(8)):
        short, stride = x, 1
        if f"{{block}}.downsample.0.weight" in w:
            down, stride = f"{{block}}.downsample", 2
            short = conv(x, f"{{down}}.0", f"{{down}}.1", stride)
        x = F.relu(conv(x, f"{{block}}.conv1", f"{{block}}.bn1", stride))
        x = F.relu(conv(x, f"{{block}}.conv2", f"{{block}}.bn2") + short)
    return F.linear(x.mean((2, 3)), w["fc.weight"], w["fc.bias"])


mean, std = (
    torch.tensor([float(x) for x in notes[name].split(",")])
    for name in ("mean", "std")
)

picture = Image.open("picture.png").convert("RGB").resize(({size}, {size}))
pixels = torch.tensor(np.array(picture)) / 255
images = ((pixels - mean) / std).permute(2, 0, 1)[None]
best = int(model(images).argmax(1))
print(notes["classes"].split(",")[best])
"""


def load_with_onnx_runtime(file: str, size: int) -> str:
    """Python that classifies a picture of ``size`` pixels with the ONNX ``file``; it needs nothing of PruneScope."""
    return f"""import numpy as np
import onnxruntime
from PIL import Image

file = "{file}"
session = onnxruntime.InferenceSession(file)
notes = session.get_modelmeta().custom_metadata_map
mean, std = (
    np.array([float(x) for x in notes[name].split(",")])
    for name in ("mean", "std")
)

picture = Image.open("picture.png").convert("RGB").resize(({size}, {size}))
pixels = np.array(picture) / 255
images = ((pixels - mean) / std).transpose(2, 0, 1)[None]
(logits,) = session.run(None, {{"images": images.astype(np.float32)}})
print(notes["classes"].split(",")[int(logits.argmax())])
"""
