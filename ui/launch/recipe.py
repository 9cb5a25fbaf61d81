"""The recipe of a study as chosen on the Launch page: preset, data, and what is folded away."""

from __future__ import annotations

from typing import TypedDict

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.i18n import t
from core.spec.presets import PRESETS
from core.spec.spec import FOLDER_PREFIX
from ui.shared.url import read_choice, read_number, read_text, write, write_if_chosen

PRESET_SHOWN = "preset shown"


class RecipeChoice(TypedDict):
    """What build_recipe takes, as chosen on the page and not checked yet."""

    preset: str
    data: str
    width: int
    epochs: int
    finetune_epochs: int
    batch_size: int


def choose_recipe() -> RecipeChoice:
    """Preset, data and advanced settings."""
    left, right = st.columns(2, gap="medium")
    read_choice("preset", list(PRESETS), "demo")
    preset = (
        left.segmented_control(
            t("Preset"),
            list(PRESETS),
            required=True,
            format_func=str.capitalize,
            key="preset",
            persist_state="session",
            help=t(
                "How large the study is: pictures, network and epochs. The larger, the longer and the more it says."
            ),
        )
        or "demo"
    )
    write_if_chosen(preset=(preset, "demo"))
    base = PRESETS[preset].recipe
    assert base.finetune is not None
    left.caption(t(PRESETS[preset].summary))
    data = choose_data(right, preset)
    with st.expander(t("Advanced settings"), icon=":material/tune:"):
        columns = st.columns(4)
        width = choose_number(
            columns[0],
            t("Width"),
            "width",
            preset,
            (4, 256, base.width, 4),
            explained=t("Channels of the first stage; 64 is the full ResNet-18."),
        )
        epochs = choose_number(
            columns[1],
            t("Dense epochs"),
            "epochs",
            preset,
            (1, 10_000, base.train.epochs, 1),
            explained=t("Passes over the training pictures before pruning."),
        )
        finetune = choose_number(
            columns[2],
            t("Fine-tuning epochs"),
            "finetune",
            preset,
            (1, 10_000, base.finetune.epochs, 1),
            explained=t("The budget after pruning, the same for every method."),
        )
        batch = choose_number(
            columns[3],
            t("Batch size"),
            "batch",
            preset,
            (2, 65_536, base.train.batch_size, 1),
            explained=t("Smaller if a GPU runs out of memory."),
        )
    st.session_state[PRESET_SHOWN] = preset
    return RecipeChoice(
        preset=preset, data=data, width=width, epochs=epochs, finetune_epochs=finetune, batch_size=batch
    )


def choose_number(
    column: DeltaGenerator,
    label: str,
    name: str,
    preset: str,
    limits: tuple[int, int, int, int],
    *,
    explained: str | None = None,
) -> int:
    """A whole number, for each preset its own; ``limits``: lowest, highest, the preset's, step. A link's holds for the
    preset that it comes with."""
    lowest, highest, usual, step = limits
    key = f"{name} {preset}"
    if key not in st.session_state:
        asked = read_number(name, lowest, highest, usual) if st.session_state.get(PRESET_SHOWN) is None else usual
        st.session_state[key] = round(asked)
    value = column.number_input(label, lowest, highest, step=step, key=key, persist_state="session", help=explained)
    write(**{name: None if value == usual else value})
    return value


def choose_data(column: DeltaGenerator, preset: str) -> str:
    """The preset's data until another is chosen, which then stays when the preset changes."""
    names = {"cifar10": "CIFAR-10", "synthetic": t("Drawn pictures"), FOLDER_PREFIX: t("My own folder")}
    usual = PRESETS[st.session_state.get(PRESET_SHOWN) or preset].recipe.data
    read_choice("data", list(names), PRESETS[preset].recipe.data)
    if st.session_state["data"] == usual:
        st.session_state["data"] = PRESETS[preset].recipe.data
    data = column.segmented_control(
        t("Data"),
        list(names),
        required=True,
        format_func=names.__getitem__,
        key="data",
        persist_state="session",
        help=t(
            "CIFAR-10 downloads itself (170 MB). Drawn pictures need nothing. "
            "A folder holds train/CLASS/ and test/CLASS/ with 32x32 pictures."
        ),
    )
    write_if_chosen(data=(data, PRESETS[preset].recipe.data))
    if data != FOLDER_PREFIX:
        return data or PRESETS[preset].recipe.data
    read_text("folder")
    path = column.text_input(
        t("Folder"),
        key="folder",
        persist_state="session",
        placeholder="/home/me/pictures",
        help=t("On the computer that runs the app."),
    )
    write_if_chosen(folder=(path, ""))
    return FOLDER_PREFIX + path.strip()
