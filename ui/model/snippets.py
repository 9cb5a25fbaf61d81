"""Code that loads a downloaded network, to copy and run beside its file."""

from __future__ import annotations


def load_with_prunescope(file: str) -> str:
    """Python that classifies a picture with the compressed ``file``, in PruneScope's folder."""
    return f"""import numpy as np
import torch
from PIL import Image

from core.engine import load_model
from core.engine.artifact import notes_of

file = "{file}"
model, notes = load_model(file), notes_of(file)
mean, std = (
    torch.tensor([float(x) for x in notes[name].split(",")])
    for name in ("mean", "std")
)

picture = Image.open("picture.png").convert("RGB").resize((32, 32))
pixels = torch.tensor(np.array(picture)) / 255
images = ((pixels - mean) / std).permute(2, 0, 1)[None]
with torch.no_grad():
    best = int(model(images).argmax(1))
print(notes["classes"].split(",")[best])
"""


def load_with_onnx_runtime(file: str) -> str:
    """Python that classifies a picture with the ONNX ``file``; it needs nothing of PruneScope."""
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

picture = Image.open("picture.png").convert("RGB").resize((32, 32))
pixels = np.array(picture) / 255
images = ((pixels - mean) / std).transpose(2, 0, 1)[None]
(logits,) = session.run(None, {{"images": images.astype(np.float32)}})
print(notes["classes"].split(",")[int(logits.argmax())])
"""
