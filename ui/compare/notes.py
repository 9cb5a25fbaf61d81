"""What the Compare page says about its results before it shows them: where they come from, and what to beware of."""

from __future__ import annotations

import math

import pandas as pd
import streamlit as st

from core.i18n import t, tn
from core.labels import measured_name, recipe_name, variant_name
from core.report.markdown import escape_markdown
from core.results.speed import noise_of
from core.runs.int8 import LOSS
from core.spec.datasets import BY_NAME, DATASETS, SYNTHETIC, folder_of, in_folder
from core.spec.methods import DENSE
from ui.shared.services import queue

MAX_NAMED = 3


def show_provenance(study: pd.DataFrame) -> None:
    devices = sorted(study["device"].unique())
    runs = tn("1 run", "{n} runs", len(study))
    recipes = study.loc[study["method"] != DENSE, "recipe_spec"]
    recipe = recipe_name((recipes if len(recipes) else study["recipe_spec"]).iloc[0])
    data = study["data"].iloc[0]
    if data == SYNTHETIC:
        source = f":orange-badge[:material/draw: {t('drawn pictures, not photographs')}]"
    elif in_folder(data):
        folder = escape_markdown(folder_of(data))
        source = f":gray[{t('pictures in the folder {folder}', folder=folder)}]"
        if (study["test_split"] == BY_NAME).any():
            source += f" :gray[({t('a fifth for testing, by a hash of the names')})]"
    else:
        source = f":gray[{DATASETS[data].label}]"
    hardware = ", ".join(map(escape_markdown, devices))
    # Not a caption: that would fade the badge, and drawn pictures must be seen to be that.
    rest = f"· {t('Recipe')}: {escape_markdown(recipe)} · {t('Hardware')}: {hardware} · {runs}"
    st.markdown(f":small[:gray[{t('Data')}:] {source} :gray[{rest}]]")
    if len(devices) > 1 and study[noise_of("speedup")].isna().all():  # else all were timed in one go
        st.warning(
            t("These runs were measured on different hardware: compare their accuracy and size, not their latencies."),
            icon=":material/warning:",
        )


def show_timing(runs: pd.DataFrame, *, can_measure: bool) -> None:
    """How the speed-ups of a study were measured, and a button to measure them again."""
    noise = max(runs[noise_of(name)].max() for name in ("speedup", "batch_speedup"))
    pruned = runs.loc[runs["method"] != DENSE, "run_id"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(
            t("Speed-ups were measured by the way, while the study ran.")
            if math.isnan(noise)
            else t(
                "All networks were timed in one go. Identical ones differed by up to {noise:.1f} %: a smaller difference "
                "counts as none.",
                noise=100 * noise,
            ),
            width="content",
        )
        if can_measure and len(pruned):
            help_text = t("A worker times every network of this study, in turns with the dense one: a few minutes.")
            if st.button(t("Measure again"), icon=":material/timer:", help=help_text):
                queue().measure(pruned.iloc[0])
                st.toast(t("A worker is timing the networks: reload this page in a few minutes."))


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
            layers=_describe_layers(run["dead_layers"].split()),
        )
        for _, run in runs.head(MAX_NAMED).iterrows()
    ]
    more = len(runs) - len(named)
    if more:
        named.append("- " + tn("1 more run has such layers.", "{n} more runs have such layers.", more))
    st.warning(
        t("Nothing gets through some layers any more: the accuracy of these runs says little about the method.")
        + "\n\n"
        + "\n".join(named),
        icon=":material/warning:",
    )


def _describe_layers(layers: list[str]) -> str:
    described = ", ".join(map(_describe_layer, layers[:MAX_NAMED]))
    more = len(layers) - MAX_NAMED
    if more <= 0:
        return described
    return tn("{layers} and 1 more layer", "{layers} and {n} more layers", more, layers=described)


def _describe_layer(layer: str) -> str:
    """The name of a module of a ResNet, such as "layer1.0.conv2", in words; any other name as it is."""
    stage, _, rest = layer.removeprefix("layer").partition(".")
    block, _, module = rest.partition(".")
    number = module.removeprefix("conv")
    if layer.startswith("layer") and stage.isdecimal() and block.isdecimal():
        n = int(block) + 1
        if module == "downsample.0":
            return t("the shortcut in stage {stage}, block {block}", stage=stage, block=n)
        if module.startswith("conv") and number.isdecimal():
            return t("convolution {number} in stage {stage}, block {block}", number=number, stage=stage, block=n)
    return {"conv1": t("the first convolution"), "fc": t("the last, linear layer")}.get(layer, escape_markdown(layer))


def show_int8_losses(runs: pd.DataFrame) -> None:
    """The ``runs`` in int8 that int8 breaks, or that it makes no faster, by name."""
    broken = runs[runs["int8_loss"] > LOSS]
    slower = runs[runs["int8_batch_gain"] < 1]
    for rows, sentence in (
        (broken, t("int8 costs more than {points:g} point of accuracy: {runs}", points=LOSS, runs=_named(broken))),
        (slower, t("int8 is not faster in a large batch than float32 as delivered: {runs}", runs=_named(slower))),
    ):
        if len(rows):
            st.warning(sentence, icon=":material/warning:")


def _named(runs: pd.DataFrame) -> str:
    names = [measured_name({str(name): value for name, value in run.items()}) for run in runs.to_dict("records")]
    more = len(names) - MAX_NAMED
    return ", ".join(names[:MAX_NAMED]) + (f" (+{more})" if more > 0 else "")
