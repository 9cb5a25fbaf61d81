"""The recipe of a study as selected on the Launch page: preset, data, and advanced settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.spec.errors import InputError
from core.spec.presets import PRESETS, build_recipe
from core.spec.spec import FOLDER_PREFIX, Recipe
from ui.shared.components import select
from ui.shared.url import in_new_address, read_number, read_text, write, write_if_chosen

LAST_PRESET = "preset shown last"


@dataclass(frozen=True)
class RecipeChoice:
    """What is selected and not checked yet: the arguments of build_recipe."""

    preset: str
    data: str
    width: int
    epochs: int
    finetune_epochs: int
    batch_size: int

    def build(self) -> Recipe:
        """InputError for what is not accepted."""
        if self.data == FOLDER_PREFIX:
            raise InputError("Give the folder that holds train/ and test/.")
        return build_recipe(**asdict(self))


@dataclass(frozen=True)
class Number:
    """A whole number from ``low`` to ``high``; ``name`` is its parameter in the address."""

    name: str
    label: str
    help: str
    default: int
    low: int = 1
    high: int = 10_000
    step: int = 1


def select_recipe() -> RecipeChoice:
    left, right = st.columns(2, gap="medium")
    preset = select_preset(left)
    data = select_data(right, preset)
    with st.expander(t("Advanced settings"), icon=":material/tune:"):
        width, epochs, finetune_epochs, batch_size = select_numbers(preset)
    st.session_state[LAST_PRESET] = preset
    return RecipeChoice(preset, data, width, epochs, finetune_epochs, batch_size)


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


def select_numbers(preset: str) -> list[int]:
    """Width, dense epochs, fine-tuning epochs and batch size."""
    recipe = PRESETS[preset].recipe
    assert recipe.finetune is not None
    numbers = (
        Number(
            "width", t("Width"), t("Channels of the first stage; 64 is the full ResNet-18."), recipe.width, 4, 256, 4
        ),
        Number(
            "epochs", t("Dense epochs"), t("Passes over the training pictures before pruning."), recipe.train.epochs
        ),
        Number(
            "finetune",
            t("Fine-tuning epochs"),
            t("The epochs after pruning. Methods that start untrained get the dense epochs as well."),
            recipe.finetune.epochs,
        ),
        Number("batch", t("Batch size"), t("Smaller if a GPU runs out of memory."), recipe.train.batch_size, 2, 65_536),
    )
    return [select_number(column, number, preset) for column, number in zip(st.columns(4), numbers, strict=True)]


def select_number(place: DeltaGenerator, number: Number, preset: str) -> int:
    """For each preset its own number. A link's holds for the preset that it comes with."""
    key = f"{number.name} {preset}"
    if in_new_address(number.name):
        st.session_state[key] = round(read_number(number.name, number.low, number.high, number.default))
    elif key not in st.session_state:
        st.session_state[key] = number.default
    value = place.number_input(
        number.label, number.low, number.high, step=number.step, key=key, persist_state="session", help=number.help
    )
    write(**{number.name: None if value == number.default else value})
    return value
