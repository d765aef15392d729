"""The numbers beside the reliability diagram, as tables and in a sentence."""

from collections.abc import Mapping

from calibration import MEASURES, Estimate
from ui.components.estimates import change, label, told
from ui.components.formats import count, percent, plain
from ui.views.run.recalibration import NONE, Fitted, Measured

# In the order of the table.
SHOWN = (
    "ece", "adaptive_ece", "classwise_ece", "mce", "nll", "brier", "accuracy",
)  # fmt: skip


def measures_table(found: Measured, after: str) -> list[dict[str, str]]:
    """The measures as rows of a table, in Markdown.

    Args:
        found: The measures.
        after: Title of the recalibration.
    """
    rows = []
    for name in SHOWN:
        row = {"Measure": label(name)}
        if found.after is None:
            row["Value (95 % interval)"] = told(name, found.before[name])
            row["What it is"] = plain(MEASURES[name].sentence)
        else:
            row["Before (95 % interval)"] = told(name, found.before[name])
            row[f"After {after}"] = told(name, found.after[name])
            row["Paired difference"] = change(name, found.differences.get(name))
        rows.append(row)
    return rows


def methods_table(found: Fitted) -> list[dict[str, str]]:
    """All methods as rows of a table, in Markdown."""
    return [_method_row(found, name) for name in found.results]


def _method_row(found: Fitted, name: str) -> dict[str, str]:
    each = found.results[name]
    title = "As predicted" if name == NONE else found.told(name)
    metrics = each.after
    return {
        "Method": f"**{title}** · chosen" if name == found.best else title,
        "Learned": count(each.num_parameters),
        label("ece"): told("ece", metrics["ece"]),
        label("nll"): told("nll", metrics["nll"]),
        "NLL, difference": "" if name == NONE else change("nll", each.nll_difference),
        label("brier"): told("brier", metrics["brier"]),
        label("accuracy"): told("accuracy", metrics["accuracy"]),
        "Cross-validated NLL": f"{float(each.validation_nll):.4f}",
    }


def verdict(found: Mapping[str, Estimate]) -> str:
    """Say whether predictions promise too much or too little, from the numbers.

    Args:
        found: "overconfidence", "mean_confidence" and "accuracy".
    """
    bias, says, right = (
        found[name] for name in ("overconfidence", "mean_confidence", "accuracy")
    )
    ends = f"95 % interval {100 * bias.low:+.2f} to {100 * bias.high:+.2f}"
    told = (
        f"on average it says {percent(says)} and is right {percent(right)} of the "
        f"time, {100 * abs(bias):.2f} points too {'much' if bias > 0 else 'little'} "
        f"({ends}, {count(bias.count)} examples)"
    )
    if bias.low <= 0 <= bias.high:
        return (
            f"**Neither over- nor underconfident on average, beyond chance:** {told}."
        )
    kind = "Overconfident" if bias > 0 else "Underconfident"
    return f"**{kind}:** {told}."
