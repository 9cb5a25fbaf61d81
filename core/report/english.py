"""The report in English."""

from __future__ import annotations

from core.report.words import Words
from core.spec.methods import METHODS

_TEXT = {
    "title": "Pruning report",
    "about": (
        "Study: {label}. Finished runs: {runs}. Written by the program from their records; every number comes from them."
    ),
    "synthetic": (
        "**Synthetic data.** The pictures were drawn by the program. The numbers show how the program works; they say "
        "nothing about real pictures."
    ),
    "summary": "Summary",
    "summary.scope": "Runs: {runs}. Methods: {variants}. Sparsities: {sparsities}. Seeds: {seeds}.",
    "summary.dense": "The dense network reaches {accuracy} % on the test pictures.",
    "summary.size": (
        "The smallest file has {size} MB: {variant} at sparsity {sparsity}, with an accuracy change of {change} points."
    ),
    "summary.speed": (
        "The largest measured speed-up at batch 1 is {speedup}: {variant} at sparsity {sparsity}, with an accuracy change "
        "of {change} points."
    ),
    "summary.dense_only": "Only dense runs are finished: there is nothing to compare yet.",
    "methods": "Methods",
    "methods.sparsity": (
        "Sparsity is the requested share of the weights of convolutions and linear layers that is gone, the same for every "
        "method. All methods start from the same dense network of their seed and get the same number of epochs afterwards."
    ),
    "methods.unstructured": "single weights",
    "methods.structured": "whole filters",
    "methods.item": "**{label}** (removes {kind}; {source}). {summary}",
    "methods.setting": "*{variant}*: {settings}",
    "methods.baseline": "baseline",
    "protocol": "Protocol",
    "protocol.item": "Item",
    "protocol.value": "Value",
    "protocol.data": "Data",
    "protocol.data_synthetic": "{data}, drawn by the program",
    "protocol.data_folder": "pictures in the folder {data}",
    "protocol.pictures": "{data}; {pictures} training pictures",
    "protocol.network": "Network",
    "protocol.network_value": "ResNet-18 of width {width}; {params} M parameters, {macs} M MACs for a picture",
    "protocol.train": "Dense training",
    "protocol.finetune": "After pruning: {variants}",
    "protocol.schedule": (
        "epochs: {epochs}; SGD, learning rate {lr} falling to 0 as a cosine, momentum {momentum}, weight decay "
        "{weight_decay}, batch size {batch_size}"
    ),
    "protocol.rewound": (
        "epochs: {epochs}; the learning rates of the dense training's last epochs, momentum {momentum}, weight decay "
        "{weight_decay}, batch size {batch_size}"
    ),
    "protocol.rounds": "{schedule}; the epochs are shared by {rounds} rounds, each with a cosine of its own",
    "protocol.seeds": "Seeds",
    "protocol.hardware": "Hardware",
    "protocol.software": "Software",
    "protocol.precision": "Precision of training",
    "protocol.latency": "Latency",
    "protocol.commit": "Commit",
    "protocol.minutes": "Training time, all runs together",
    "protocol.minutes_value": "{train} minutes",
    "protocol.wall_value": "{train} minutes; {wall} minutes with loading and measuring",
    "protocol.dates": "Finished (UTC)",
    "protocol.measures": (
        "Accuracy is top-1 on the test pictures after the last epoch. ± is half of the 95 % Student-t interval of the mean "
        "over seeds; with one seed there is none. Change is against the dense runs of the same seeds, in percentage points. "
        "Size is that of the compressed file. A speed-up is measured: the latency of the dense network over that of the "
        "pruned one, timed in turns in the same process. A MAC ratio is not a speed-up."
    ),
    "results": "Results",
    "figure.tradeoff_curve": (
        "Accuracy against sparsity: every seed as a point, lines through the means, 95 % intervals as bands"
    ),
    "figure.size_latency": "Compressed size and measured latency against sparsity",
    "figure.pareto": "Accuracy against compressed size; the line joins the means that no other beats in both",
    "figure.layer_density": "Share of the weights that is left in each layer, mean over seeds",
    "figure.training_curves": "Test accuracy after every epoch, one line a run; epoch 0 is right after pruning",
    "findings": "Findings",
    "win": "Which method is most accurate",
    "win.rule": (
        "A difference counts if it is larger than half of its 95 % interval, computed seed by seed. In brackets: points of "
        "accuracy by which the first method is ahead."
    ),
    "win.head": "Sparsity {sparsity}: **{leader}** has the highest mean accuracy, {accuracy} %.",
    "win.single": "Sparsity {sparsity}: **{leader}** has the highest accuracy, {accuracy} %, in a single run.",
    "win.alone": "No other method was run at this sparsity.",
    "win.ahead": "It is ahead, by more than the interval, of {others}.",
    "win.level": "It cannot be told apart from {others}.",
    "win.behind": "On the seeds that both have it is behind {others}.",
    "win.unknown": "Fewer than two common seeds, so no interval and no claim, beside {others}.",
    "break": "Where accuracy breaks down",
    "break.broken": "**{variant}** first loses more than {limit} points at sparsity {sparsity}: {change} points.",
    "break.kept": (
        "**{variant}** loses more than {limit} points at no sparsity that was run; at the highest, {sparsity}, the change "
        "is {change} points."
    ),
    "break.unsure": "The interval reaches across this limit, so this is not certain.",
    "break.single": "One seed: no interval, so no claim.",
    "cost": "Size and speed",
    "cost.size": (
        "**{variant}** at sparsity {sparsity}: {size} MB on disk, where the dense network has {dense} MB (ratio {ratio}); "
        "reached sparsity {reached}."
    ),
    "cost.same": (
        "It computes as much as the dense network (MAC ratio {macs}). Measured speed-up over all its sparsities: {single} "
        "at batch 1, {batch} at the large batch."
    ),
    "cost.none": "That is no speed-up.",
    "cost.scatter": "As the computation is the same, what differs from 1 is the scatter of timing, not a gain.",
    "cost.less": "MAC ratio {macs}; measured speed-up {single} at batch 1, {batch} at the large batch.",
    "cost.faster": "At batch 1 it is faster than dense by more than the interval.",
    "cost.slower": "At batch 1 it is slower than dense by more than the interval.",
    "cost.level": "At batch 1 it cannot be told apart from dense.",
    "cost.range": "{low} to {high}",
    "baseline": "Against the baselines",
    "baseline.absent": "No baseline was run, so this study cannot say whether a method is better than chance.",
    "baseline.variant": "Method",
    "baseline.name": "Baseline",
    "baseline.sparsity": "Sparsity",
    "baseline.gap": "Ahead by (points)",
    "baseline.verdict": "Verdict",
    "baseline.ahead": "better",
    "baseline.behind": "worse",
    "baseline.level": "cannot be told apart",
    "baseline.unknown": "no interval, no claim",
    "dead": "Layers that died",
    "dead.item": "{run}: no weight is left in {layers}.",
    "limits": "Limits",
    "limits.single": "Some results have one seed. They have no interval and support no claim about differences.",
    "limits.seeds": (
        "Intervals are Student-t intervals over at most {n} seeds and assume results that scatter normally. They are not "
        "corrected for the number of comparisons."
    ),
    "limits.missing": "Runs of the full grid that are not finished: {missing} ({runs}).",
    "limits.more": "and {count} more",
    "limits.width": "The network has width {width}; the full ResNet-18 has width {full}.",
    "limits.folder": (
        "The pictures come from a folder. The program does not know how they were made, nor whether that cost quality."
    ),
    "limits.hardware": "The runs were executed on different hardware: their latencies in ms are not comparable.",
    "limits.latency": "Latency is that of the hardware named above.",
    "limits.budget": "After pruning every method had the same budget (epochs: {epochs}). The results hold for this budget.",
    "references": "References",
    "files": "The table and the records behind it: {files}.",
}

WORDS = Words(
    text=_TEXT,
    headings={
        name: name
        for name in (
            "Method",
            "Sparsity",
            "Seeds",
            "Accuracy (%)",
            "Change (points)",
            "Parameters (M)",
            "MACs (M)",
            "Size (MB)",
            "Latency (ms)",
            "Speed-up",
            "Speed-up, large batch",
        )
    },
    methods={name: method.summary for name, method in METHODS.items()},
    language="en",
)
