"""The sections of the Model page: each shows one side of a network from its diagnostics."""

from __future__ import annotations

import streamlit as st

from core.charts import model as charts
from core.charts import styles
from core.i18n import t, tn
from core.report.markdown import escape_markdown
from core.runs.diagnostics import MAX_CLASSES, Diagnostics
from core.spec.spec import RunSpec
from ui.shared.components import colored, select

PICTURE_WIDTH = 104


def show_layers(spec: RunSpec, diagnostics: Diagnostics) -> None:
    left, right = st.columns([5, 6], gap="medium")
    with left:
        st.subheader(t("How much of each layer is left"), anchor=False)
        chart = charts.density_chart(diagnostics)
        st.altair_chart(chart, key="density", alt=t("Weights left of each layer, in percent"))
        if not spec.is_dense:
            ranked = sorted(diagnostics.layers, key=lambda layer: layer.density)
            least, most = ranked[0], ranked[-1]
            sentence = t(
                "From the picture (top) to the classes (bottom). Most is left of {most}, least of {least}.",
                most=f"`{most.name}` ({100 * most.density:.3g} %)",
                least=f"`{least.name}` ({100 * least.density:.3g} %)",
            )
            st.markdown(f":small[{sentence}]")
    with right:
        st.subheader(t("Shapes before and after"), anchor=False)
        table, column = charts.layer_table(diagnostics), st.column_config
        name, before, after, weights, share = table.columns
        config = {
            name: column.TextColumn(pinned=True),
            before: column.TextColumn(help=t("Filters × channels × height × width.")),
            after: column.TextColumn(help=t("Unstructured pruning keeps the shape and sets weights to zero.")),
            weights: column.NumberColumn(format="localized"),
            share: column.NumberColumn(format="%.2f"),
        }
        st.dataframe(table, hide_index=True, height="content", column_config=config)


def show_filters(spec: RunSpec, diagnostics: Diagnostics) -> None:
    left, right = st.columns([5, 6], gap="medium")
    with left:
        st.subheader(t("Filters left in each layer"), anchor=False)
        chart = charts.filter_chart(diagnostics)
        st.altair_chart(chart, key="filters left", alt=t("Filters left of each layer, in percent"))
        st.caption(t("A filter counts as left as long as one of its weights is not zero."))
    with right:
        st.subheader(t("Which filters went"), anchor=False)
        if any(layer.filters is None for layer in charts.convolutions(diagnostics)):
            sentence = t(
                "This network was trained from new weights: none of its filters is one of the dense network's."
            )
            st.info(sentence, icon=":material/restart_alt:")
            return
        cells = charts.filter_map(diagnostics)
        st.altair_chart(cells, key="filter map", alt=t("Every filter of each layer: gone or left"))
        sentence = t(
            "One cell for each filter of the dense network: {gone} gone, {left} left, the fainter the fewer of its "
            "weights.",
            gone=colored("■", styles.LOST),
            left=colored("■", styles.KEPT),
        )
        st.markdown(f":small[{sentence}]")


def show_weights(spec: RunSpec, diagnostics: Diagnostics) -> None:
    layers = {layer.name: layer for layer in diagnostics.layers}
    largest = max(diagnostics.layers, key=lambda layer: layer.zeros + sum(layer.counts))
    head = st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom")
    head.subheader(t("The weights of one layer"), anchor=False, width="content")
    options = {"label_visibility": "collapsed", "width": 240}
    name = select(head.selectbox, t("Layer"), "layer", {name: name for name in layers}, largest.name, **options)
    layer = layers[name]
    left = sum(layer.counts)
    if not left:
        st.info(
            tn("The only weight of this layer is zero.", "All {n:,} weights of this layer are zero.", layer.zeros),
            icon=":material/block:",
        )
        return
    chart = charts.weight_chart(layer)
    st.altair_chart(chart, key="weights", alt=t("How many weights have which value"))
    sentence = t(
        "{left} weights of {shape} that are not zero; {zeros} more are zero. The largest is {limit}.",
        left=f"{left:,}",
        shape=charts.shape_text(layer.shape),
        zeros=f"{layer.zeros:,}",
        limit=f"±{layer.limit:.3g}",
    )
    st.caption(sentence)


def show_classes(spec: RunSpec, diagnostics: Diagnostics) -> None:
    classes = charts.class_table(diagnostics)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader(t("Accuracy of each class"), anchor=False)
        shown = classes.head(charts.MAX_CLASSES)
        chart = charts.class_chart(shown, dense=spec.is_dense)
        st.altair_chart(chart, key="classes", alt=t("Test accuracy of each class, in percent"))
        if not spec.is_dense:
            sentence = t(
                "{dense} dense network, {better} {worse} this one, with the change in points; the largest loss is on "
                "top.",
                dense=colored("●", styles.GREY),
                better=colored("◆", styles.KEPT),
                worse=colored("◆", styles.LOST),
            )
            st.markdown(f":small[{sentence}]")
        if len(classes) > len(shown):
            st.caption(t("The first {n} of {all} classes.", n=len(shown), all=len(classes)))
    with right:
        st.subheader(t("What is taken for what"), anchor=False)
        if not diagnostics.confusion:
            st.info(t("There is no such table for more than {n} classes.", n=MAX_CLASSES), icon=":material/grid_off:")
            return
        matrix = charts.confusion_chart(diagnostics)
        st.altair_chart(matrix, key="confusion", alt=t("Confusion matrix of the test pictures"))
        sentence = t(
            "A row for each class: {right} right, {wrong} taken for another. Point at a cell for its numbers.",
            right=colored("■", styles.KEPT),
            wrong=colored("■", styles.LOST),
        )
        st.markdown(f":small[{sentence}]")


def show_mistakes(spec: RunSpec, diagnostics: Diagnostics) -> None:
    total = sum(diagnostics.pictures)
    if spec.is_dense:
        st.subheader(t("What this network gets wrong"), anchor=False)
        wrong = total - sum(diagnostics.correct)
        st.markdown(t("{n} of {total} test pictures.", n=f"**{wrong:,}**", total=f"{total:,}"))
    else:
        st.subheader(t("What pruning made wrong"), anchor=False)
        sentence = t(
            "Of {total} test pictures the dense network got {lost} right that are wrong now, and {gained} wrong that "
            "are right now.",
            total=f"{total:,}",
            lost=f"**{diagnostics.lost:,}**",
            gained=f"**{diagnostics.gained:,}**",
        )
        st.markdown(sentence)
    if not diagnostics.mistakes:
        st.success(t("No picture to show: not one went wrong."), icon=":material/check_circle:")
        return
    with st.container(horizontal=True, gap="small"):
        for mistake in diagnostics.mistakes:
            truth, predicted = diagnostics.classes[mistake.truth], diagnostics.classes[mistake.predicted]
            name = t(
                "Test picture {n}: {truth}, taken for {predicted}", n=mistake.index, truth=truth, predicted=predicted
            )
            with st.container(width=PICTURE_WIDTH, gap="small"):
                st.image(mistake.picture, width=PICTURE_WIDTH, alt=name)
                st.caption(f"{escape_markdown(truth)}  \n→ **{escape_markdown(predicted)}** {mistake.confidence:.0f} %")
    st.caption(
        t("Class → what it is taken for, and with what confidence; the most confident mistakes, with fewer colours.")
    )


def show_size(spec: RunSpec, diagnostics: Diagnostics) -> None:
    left, right = st.columns([3, 2], gap="medium")
    with left:
        st.subheader(t("What the file takes"), anchor=False)
        chart = charts.size_chart(diagnostics)
        st.altair_chart(chart, key="sizes", alt=t("Size of the network's file and of the dense one"))
        sentence = t(
            "Plain weights are what `torch.save` writes. The compressed file is {ratio}× smaller than the plain "
            "weights of the dense network.",
            ratio=f"{diagnostics.dense_plain_size / diagnostics.size:.1f}",
        )
        st.markdown(f":small[{sentence}]")
    with right:
        st.subheader(t("What it consists of"), anchor=False)
        for _, row in charts.size_table(diagnostics).iterrows():
            with st.container(horizontal=True, horizontal_alignment="distribute"):
                st.markdown(f"{colored('■', row['color'])} {row['part']}", width="content")
                st.markdown(f"{row['bytes']:,} B :gray[({row['share']:.1f} %)]", width="content")
