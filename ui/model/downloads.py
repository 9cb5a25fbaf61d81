"""The Download section of the Model page: the network in every form, and the code that loads it."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core.i18n import t
from core.jobs.command import EXPORT_FORMATS, export_path, make_export
from core.results.sample import is_sample
from core.runs.folder import RunFolder
from core.spec.networks import RESNET18, External
from ui.model import snippets
from ui.shared.components import download_button
from ui.shared.errors import show_errors
from ui.shared.services import home
from ui.shared.url import link


def show_downloads(folder: RunFolder) -> None:
    if not folder.model_path.is_file():
        show_missing_file(folder)
        return
    folder.check_model()
    compressed, *others = st.columns(5)
    with compressed.container(border=True, height="stretch", vertical_alignment="distribute"):
        _show_title(
            t("PruneScope file"),
            t("The file as it was measured, in float32: load_model of the package prunescope reads it."),
        )
        _download_button(folder.model_path, f"{folder.run_id}.safetensors", primary=True)
    descriptions = {
        "half": (t("PruneScope file, half precision"), t("The same in float16: about half as large.")),
        "plain": (t("Plain safetensors"), t("All weights as they are, zeros included: any program reads it.")),
        "onnx": (t("ONNX"), t("For ONNX Runtime and others; needs nothing of PruneScope.")),
        "onnx-int8": (t("ONNX, int8"), t("Whole numbers of 8 bits: a quarter of the size, and faster on a CPU.")),
    }
    for column, (form, (title, explanation)) in zip(others, descriptions.items(), strict=True):
        with column.container(border=True, height="stretch", vertical_alignment="distribute"):
            _show_title(title, explanation)
            _show_export(folder, form)
    show_code(folder)


def show_missing_file(folder: RunFolder) -> None:
    if is_sample(folder):
        sentence = t("The sample study comes without its network files. Train a network of your own to take one away.")
        st.info(sentence, icon=":material/inventory_2:")
        link("launch", t("Open Launch"), icon=":material/rocket_launch:")
        return
    sentence = t("The file of this network, model.safetensors, is not in its run's folder any more: train it again.")
    st.warning(sentence, icon=":material/folder_off:")
    link("runs", t("Open Runs"), run=folder.run_id)


def show_code(folder: RunFolder) -> None:
    recipe, name = folder.spec.recipe, folder.run_id
    external = External.parse(recipe.network)
    # In one colour: those of Streamlit's syntax highlighting are too faint for weak eyes.
    st.subheader(t("Code to load it"), anchor=False)
    needs_prunescope = t("Needs the package prunescope: pip install . in PruneScope's folder.")
    if external is None:
        compressed = snippets.load_with_prunescope(f"{name}.safetensors", recipe.size)
    else:
        compressed = snippets.load_into_own_network(f"{name}.safetensors", external.function)
    codes = [(t("PruneScope file"), needs_prunescope, compressed)]
    if recipe.network == RESNET18:
        plain = snippets.load_with_safetensors(f"{name}.{EXPORT_FORMATS['plain'].ending}", recipe.size)
        codes.append((t("Plain safetensors"), t("Needs PyTorch and safetensors, and nothing of PruneScope."), plain))
    onnx = snippets.load_with_onnx_runtime(f"{name}.onnx", recipe.size)
    codes.append((t("ONNX"), t("Needs ONNX Runtime, and nothing of PruneScope."), onnx))
    for tab, (_, needs, code) in zip(st.tabs([title for title, _, _ in codes]), codes, strict=True):
        with tab:
            st.caption(needs)
            st.code(code, language=None)


def _show_title(title: str, explanation: str) -> None:
    with st.container():
        st.markdown(f"**{title}**")
        st.caption(explanation)


@show_errors
def _show_export(folder: RunFolder, form: str) -> None:
    """The network in another form, which is made on request: that needs a process of its own and some seconds."""
    path = export_path(home(), folder, form)
    if path.is_file():
        _download_button(path, f"{folder.run_id}.{EXPORT_FORMATS[form].ending}")
        return
    if st.button(t("Make the file"), key=f"make {form}", icon=":material/settings:"):
        with st.spinner(t("Making the file …")):
            make_export(home(), folder, form)
        st.rerun()


def _download_button(path: Path, name: str, *, primary: bool = False) -> None:
    size = path.stat().st_size
    text = f"{size / 1e6:.3g} MB" if size >= 1e5 else f"{size / 1e3:.3g} kB"
    download_button(t("Download, {size}", size=text), name, path.read_bytes, primary=primary)
