"""The recipe of a study as selected on the Launch page: preset, data, and advanced settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.runs.imports import hash_weights
from core.spec.datasets import DATASETS, FOLDER_PREFIX, SIZE, SIZES
from core.spec.errors import InputError
from core.spec.networks import RESNET18
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import Recipe
from ui.launch.advanced import select_advanced
from ui.launch.offered import offered_networks, offered_weights
from ui.shared.components import select
from ui.shared.url import read_text, write_if_chosen

LAST_PRESET = "preset shown last"


@dataclass(frozen=True)
class RecipeChoice:
    """What is selected and not checked yet; ``advanced``: the other arguments of build_recipe."""

    preset: str
    data: str
    size: int
    network: str
    weights: Path | None
    advanced: Mapping[str, Any]

    def build(self) -> Recipe:
        """InputError for what is not accepted."""
        if self.data == FOLDER_PREFIX:
            raise InputError("Give the folder that holds the pictures.")
        weights = None if self.weights is None else hash_weights(self.weights)
        chosen: dict[str, Any] = {
            "data": self.data,
            "size": self.size,
            "network": self.network,
            "weights_sha256": weights,
        }
        return build_recipe(self.preset, **chosen, **self.advanced)


def select_recipe() -> RecipeChoice:
    left, middle, right = st.columns([5, 4, 2], gap="medium")
    preset = select_preset(left)
    data, size = select_data(middle, preset)
    network = select_network(right)
    weights = select_weights(right)
    with st.expander(t("Advanced settings"), icon=":material/tune:"):
        advanced = select_advanced(preset, network)
    st.session_state[LAST_PRESET] = preset
    return RecipeChoice(preset, data, size, network, weights, advanced)


def select_preset(place: DeltaGenerator) -> str:
    preset = select(
        place.segmented_control,
        t("Preset"),
        "preset",
        {name: name.capitalize() for name in PRESETS},
        "demo",
        persist_state="session",
        help=t("How large the study is: pictures, network and epochs. The larger, the longer and the more it says."),
    )
    place.caption(t(PRESETS[preset].summary))
    return preset


def select_data(place: DeltaGenerator, preset: str) -> tuple[str, int]:
    """Data and the size of its pictures: the preset's until others are selected, which stay when the preset changes."""
    names = {name: t(data.label) for name, data in DATASETS.items()} | {FOLDER_PREFIX: t("My own folder")}
    downloads = [data.megabytes for data in DATASETS.values() if data.megabytes]
    default = PRESETS[preset].recipe.data
    if st.session_state.get("data") == PRESETS[st.session_state.get(LAST_PRESET) or preset].recipe.data:
        st.session_state["data"] = default
    data = select(
        place.selectbox,
        t("Data"),
        "data",
        names,
        default,
        persist_state="session",
        help=t(
            "Published data sets download themselves ({smallest} to {largest} MB). Drawn pictures need nothing. A folder "
            "holds train/CLASS/ and test/CLASS/ with pictures, or only CLASS/: then a fifth of them is for testing.",
            smallest=min(downloads),
            largest=max(downloads),
        ),
    )
    return (FOLDER_PREFIX + select_folder(place), select_size(place)) if data == FOLDER_PREFIX else (data, SIZE)


def select_network(place: DeltaGenerator) -> str:
    return select(
        place.selectbox,
        t("Network"),
        "network",
        offered_networks(),
        RESNET18,
        persist_state="session",
        help=t("Each in its form for small pictures. Its width is among the advanced settings."),
    )


def select_weights(place: DeltaGenerator) -> Path | None:
    """A file with the weights of the dense network; nothing to select where the server has none."""
    files = offered_weights()
    if not files:
        return None
    train = "train"
    selected = select(
        place.selectbox,
        t("Dense network"),
        "weights",
        {train: t("train it"), **{name: name for name in files}},
        train,
        persist_state="session",
        help=t("Trained weights of this network, from a folder of the server: pruning starts from them."),
    )
    return files.get(selected)


def select_size(place: DeltaGenerator) -> int:
    """The pixels along a side that pictures of a folder are resized to."""
    sizes = {str(size): size for size in SIZES}
    selected = select(
        place.segmented_control,
        t("Size of the pictures"),
        "size",
        {name: f"{name}x{name}" for name in sizes},
        str(SIZE),
        persist_state="session",
        help=t("They are made to cover this square and cropped to it. Four times the pixels take four times as long."),
    )
    return sizes[selected]


def select_folder(place: DeltaGenerator) -> str:
    read_text("folder")
    path = place.text_input(
        t("Folder"),
        key="folder",
        persist_state="session",
        placeholder="/home/me/pictures",
        help=t("On the computer that runs the app."),
    )
    write_if_chosen(folder=(path, ""))
    return path.strip()
