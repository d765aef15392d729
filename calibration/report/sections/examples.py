"""Predictions that are confident and wrong, each on a card."""

from calibration.report.data import ModelReport, WrongExample
from calibration.report.document import Block, Card, Cards, Section, Text
from calibration.report.formats import percent
from calibration.report.sections.context import Context


def confidently_wrong(context: Context) -> Section | None:
    """The section, if any model is confident and wrong anywhere."""
    blocks: list[Block] = []
    for model in context.models:
        if model.confidently_wrong:
            blocks += context.heading(model)
            cards = [_card(model, each) for each in model.confidently_wrong]
            blocks.append(Cards(items=cards))
    if not blocks:
        return None
    told = "The wrong predictions that the model was surest of, the surest first: "
    told += "wrong labels and blind spots show here."
    return Section(
        slug="wrong",
        title="Confidently wrong examples",
        blocks=[Text(told), *blocks],
    )


def _card(model: ModelReport, example: WrongExample) -> Card:
    label = model.class_names[example.label]
    prediction = model.class_names[example.prediction]
    facts = {
        "True class": label,
        "Predicted": prediction,
        "Confidence": percent(example.confidence),
        "P(true class)": percent(example.label_probability, 2),
        "Entropy": f"{example.entropy:.3f} nats",
    }
    if example.mutual_information is not None:
        facts["Mutual information"] = f"{example.mutual_information:.3f} nats"
    return Card(
        image=example.image,
        alt=f"Test example {example.index}: {label}, taken for {prediction}.",
        title=f"Example {example.index}",
        facts=facts,
    )
