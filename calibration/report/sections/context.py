"""What all sections need to know: the report, and each model's look."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from calibration.report.colors import Look, look
from calibration.report.data import ModelReport, ReportData
from calibration.report.document import Block, Column, Heading

MODELS_A_TABLE = 5  # more columns of numbers with intervals cannot be read


def columns_of(figures: int) -> int:
    """How many figures stand in a row, so that the last row has few holes."""
    if figures < 3:
        return figures
    return 2 if figures % 2 == 0 else 3


@dataclass(frozen=True)
class Context:
    """A report on its way to a document."""

    report: ReportData

    @property
    def models(self) -> list[ModelReport]:
        """All models, in order."""
        return self.report.models

    @property
    def several(self) -> bool:
        """Whether models must be told apart."""
        return len(self.models) > 1

    @property
    def comparable(self) -> bool:
        """Whether all models were tested on the same examples."""
        return len(self.report.comparisons) == len(self.models) - 1

    def look(self, model: ModelReport) -> Look:
        """How a model is drawn, the same in all figures."""
        return look(self.models.index(model))

    def color(self, model: ModelReport) -> str:
        """Role of a model's colour where models must be told apart, else none."""
        return self.look(model).color if self.several else ""

    def heading(self, model: ModelReport) -> list[Block]:
        """A heading with the model's name, where there are several models."""
        if not self.several:
            return []
        return [Heading(text=model.name, color=self.color(model))]

    def column(self, model: ModelReport, note: str = "") -> Column:
        """The head of a model's column."""
        return Column(text=model.name, note=note, color=self.color(model))

    def tables(self) -> Iterator[list[ModelReport]]:
        """Models in groups that fit side by side, of about the same size."""
        total = len(self.models)
        number = -(-total // MODELS_A_TABLE)
        size = -(-total // number)
        for start in range(0, total, size):
            yield self.models[start : start + size]

    def without(self, models: Iterable[ModelReport]) -> list[str]:
        """Names of the models that are not among the given ones."""
        given = list(models)
        return [model.name for model in self.models if model not in given]
