"""The convergence curves of a run, from its metric rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from ui.components.figure import (
    IN_COLOR,
    OUT_COLOR,
    PERCENT,
    Figure,
    axis,
    figure,
    line,
)
from ui.components.formats import compact, percent
from ui.components.series import Row, column, last, smoothed, thinned

TALL, LOW = 300, 220  # pixels
FEW = 30  # epochs: beyond, dots would hide the line


@dataclass(frozen=True)
class Curve:
    """One panel: its figure and what stands around it."""

    key: str
    title: str
    note: str
    alt: str
    figure: Figure

    @property
    def drawn(self) -> bool:
        """Whether there is a value to see."""
        values = (trace["y"] for trace in self.figure["data"])
        return any(value is not None for each in values for value in each)


def curves(rows: Sequence[Row]) -> list[Curve]:
    """All panels that the rows have something for; loss and accuracy come first."""
    built = (
        loss_curve(rows),
        accuracy_curve(rows),
        ece_curve(rows),
        deviation_curve(rows),
        learning_rate_curve(rows),
    )
    return [curve for curve in built if curve.drawn]


def loss_curve(rows: Sequence[Row]) -> Curve:
    """Training loss, raw and smoothed, with the validation NLL on top."""
    steps, raw = column(rows, "step", "train_loss")
    epochs, validation = column(rows, "epoch", "validation_nll")
    traces = [
        line("Training loss, each log line", *thinned(steps, raw), f"{IN_COLOR}/0.4",
             width=1, hoverinfo="skip", showlegend=False),
        line("Training loss (smoothed)", *thinned(steps, smoothed(raw)), IN_COLOR,
             hovertemplate="%{y:.4g}"),
        line("Validation NLL", *thinned(epochs, validation), OUT_COLOR,
             markers=len(epochs) <= FEW, hovertemplate="%{y:.4g}"),
    ]  # fmt: skip
    alt = (
        f"Training loss, now {compact(last(smoothed(raw)))}, and validation NLL, now "
        f"{compact(last(validation))}, by step."
    )
    note = "Mean over the batch, in nats; the faint line is unsmoothed."
    return panel_of("loss", "Loss", note, alt, traces, axis(), TALL)


def accuracy_curve(rows: Sequence[Row]) -> Curve:
    """Training and validation accuracy after each epoch."""
    traces = [
        _by_epoch(rows, "Training", "train_accuracy", IN_COLOR, "%{y:.2%}"),
        _by_epoch(rows, "Validation", "validation_accuracy", OUT_COLOR, "%{y:.2%}"),
    ]
    now = [percent(last(trace["y"])) for trace in traces]
    alt = f"Accuracy after each epoch: training now {now[0]}, validation now {now[1]}."
    note = "Share of examples whose most probable class is the true one."
    y = axis(tickformat=PERCENT)
    return panel_of("accuracy", "Accuracy", note, alt, traces, y, TALL)


def ece_curve(rows: Sequence[Row]) -> Curve:
    """Validation calibration error after each epoch."""
    trace = _by_epoch(rows, "ECE", "validation_ece", OUT_COLOR, "%{y:.4f}")
    now = compact(last(trace["y"]))
    alt = f"Validation calibration error after each epoch, now {now}."
    note = "Gap between confidence and accuracy on validation; 0 is best."
    y = axis(rangemode="tozero")
    return panel_of("ece", "Calibration error (ECE)", note, alt, [trace], y, LOW)


def deviation_curve(rows: Sequence[Row]) -> Curve:
    """Mean deviation of the weights' posterior; Bayesian optimizers only."""
    steps, values = column(rows, "step", "posterior_deviation")
    trace = line("Deviation", *thinned(steps, values), "@4", hovertemplate="%{y:.4g}")
    alt = (
        f"Mean posterior deviation of the weights by step, now {compact(last(values))}."
    )
    note = "How uncertain the weights are on average."
    y = axis(exponentformat="power")
    return panel_of("deviation", "Posterior deviation", note, alt, [trace], y, LOW)


def learning_rate_curve(rows: Sequence[Row]) -> Curve:
    """Learning rate by step."""
    steps, values = column(rows, "step", "lr")
    trace = line("Learning rate", *thinned(steps, values), "@3",
                 hovertemplate="%{y:.4g}")  # fmt: skip
    alt = f"Learning rate by step, now {compact(last(values))}."
    y = axis(rangemode="tozero", exponentformat="power")
    return panel_of(
        "lr", "Learning rate", "As the schedule sets it.", alt, [trace], y, LOW
    )


def _by_epoch(
    rows: Sequence[Row], name: str, key: str, color: str, hover: str
) -> dict[str, list[float | None]]:
    steps, values = thinned(*column(rows, "epoch", key))
    return line(
        name, steps, values, color, markers=len(steps) <= FEW, hovertemplate=hover
    )


def panel_of(
    key: str,
    title: str,
    note: str,
    alt: str,
    traces: Sequence[dict[str, list[float | None]]],
    y: dict[str, object],
    height: int,
) -> Curve:
    """A panel of traces over the steps."""
    x = axis("Step", tickformat=",d", rangemode="tozero")
    drawn = figure(traces, x=x, y=y, height=height, hovermode="x unified")
    return Curve(key, title, note, alt, drawn)
