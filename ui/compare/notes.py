"""What the Compare page says about its results before it shows them: where they come from, and what to beware of."""

from __future__ import annotations

import re

import pandas as pd
import streamlit as st

from core.i18n import t, tn
from core.labels import recipe_name, variant_name
from core.report.markdown import escape_markdown
from core.spec.methods import DENSE
from core.spec.spec import FOLDER_PREFIX

MAX_NAMED = 3
_CONVOLUTION = re.compile(r"layer(\d+)\.(\d+)\.(?:conv(\d+)|downsample\.0)")


def show_provenance(study: pd.DataFrame) -> None:
    devices = sorted(study["device"].unique())
    runs = tn("1 run", "{n} runs", len(study))
    recipes = study.loc[study["method"] != DENSE, "recipe_spec"]
    recipe = recipe_name((recipes if len(recipes) else study["recipe_spec"]).iloc[0])
    data = study["data"].iloc[0]
    if data == "synthetic":
        source = f":orange-badge[:material/draw: {t('drawn pictures, not photographs')}]"
    elif data.startswith(FOLDER_PREFIX):
        folder = escape_markdown(data[len(FOLDER_PREFIX) :])
        source = f":gray[{t('pictures in the folder {folder}', folder=folder)}]"
    else:
        source = f":gray[{t('CIFAR-10 photographs')}]"
    hardware = ", ".join(map(escape_markdown, devices))
    # Not a caption: that would fade the badge, and drawn pictures must be seen to be that.
    rest = f"· {t('Recipe')}: {escape_markdown(recipe)} · {t('Hardware')}: {hardware} · {runs}"
    st.markdown(f":small[:gray[{t('Data')}:] {source} :gray[{rest}]]")
    if len(devices) > 1:
        st.warning(
            t("These runs were measured on different hardware: compare their accuracy and size, not their latencies."),
            icon=":material/warning:",
        )


def show_dead_layers(runs: pd.DataFrame) -> None:
    """One warning for ``runs``, which have dead layers, the first few by name."""
    if runs.empty:
        return
    named = [
        "- "
        + t(
            "**{variant} {sparsity:g}, seed {seed}** lost every weight of {layers}.",
            variant=escape_markdown(variant_name(run["method"], run["settings"])),
            sparsity=run["sparsity"],
            seed=run["seed"],
            layers=_in_words(run["dead_layers"].split()),
        )
        for _, run in runs.head(MAX_NAMED).iterrows()
    ]
    more = len(runs) - len(named)
    if more:
        named.append("- " + (tn("1 more run has such layers.", "{n} more runs have such layers.", more)))
    st.warning(
        t("Nothing gets through some layers any more: the accuracy of these runs says little about the method.")
        + "\n\n"
        + "\n".join(named),
        icon=":material/warning:",
    )


def _in_words(layers: list[str]) -> str:
    more = len(layers) - MAX_NAMED
    words = [_layer_in_words(layer) for layer in layers[:MAX_NAMED]]
    listed = ", ".join(words)
    if more <= 0:
        return listed
    return tn("{layers} and 1 more layer", "{layers} and {n} more layers", more, layers=listed)


def _layer_in_words(layer: str) -> str:
    match = _CONVOLUTION.fullmatch(layer)
    if match:
        stage, block = match[1], int(match[2]) + 1
        if match[3]:
            return t("convolution {number} in stage {stage}, block {block}", number=match[3], stage=stage, block=block)
        return t("the shortcut in stage {stage}, block {block}", stage=stage, block=block)
    return {"conv1": t("the first convolution"), "fc": t("the last, linear layer")}.get(layer, escape_markdown(layer))
