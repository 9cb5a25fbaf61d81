"""The recipe of a study as selected on the Launch page: preset, data, and advanced settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.spec.errors import InputError
from core.spec.networks import NETWORKS, RESNET18
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import FOLDER_PREFIX, Recipe
from ui.launch.advanced import select_advanced
from ui.shared.components import select
from ui.shared.url import read_text, write_if_chosen

LAST_PRESET = "preset shown last"


@dataclass(frozen=True)
class RecipeChoice:
    """What is selected and not checked yet; ``advanced``: the other arguments of build_recipe."""

    preset: str
    data: str
    network: str
    advanced: Mapping[str, Any]

    def build(self) -> Recipe:
        """InputError for what is not accepted."""
        if self.data == FOLDER_PREFIX:
            raise InputError("Give the folder that holds train/ and test/.")
        return build_recipe(self.preset, data=self.data, network=self.network, **self.advanced)


def select_recipe() -> RecipeChoice:
    left, middle, right = st.columns([5, 4, 2], gap="medium")
    preset = select_preset(left)
    data = select_data(middle, preset)
    network = select_network(right)
    with st.expander(t("Advanced settings"), icon=":material/tune:"):
        advanced = select_advanced(preset, network)
    st.session_state[LAST_PRESET] = preset
    return RecipeChoice(preset, data, network, advanced)


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


def select_data(place: DeltaGenerator, preset: str) -> str:
    """The preset's data until another is selected, which then stays when the preset changes."""
    names = {"cifar10": "CIFAR-10", "synthetic": t("Drawn pictures"), FOLDER_PREFIX: t("My own folder")}
    default = PRESETS[preset].recipe.data
    if st.session_state.get("data") == PRESETS[st.session_state.get(LAST_PRESET) or preset].recipe.data:
        st.session_state["data"] = default
    data = select(
        place.segmented_control,
        t("Data"),
        "data",
        names,
        default,
        persist_state="session",
        help=t(
            "CIFAR-10 downloads itself (170 MB). Drawn pictures need nothing. A folder holds train/CLASS/ and "
            "test/CLASS/ with 32x32 pictures."
        ),
    )
    return FOLDER_PREFIX + select_folder(place) if data == FOLDER_PREFIX else data


def select_network(place: DeltaGenerator) -> str:
    return select(
        place.selectbox,
        t("Network"),
        "network",
        {name: network.label for name, network in NETWORKS.items()},
        RESNET18,
        persist_state="session",
        help=t("Each in its form for small pictures. Its width is among the advanced settings."),
    )


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
