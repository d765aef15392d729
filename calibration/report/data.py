"""Everything a report says, as one tree of dataclasses: the only input of every format.

`report.json` is this tree (`calibration.report.encoding`), so that a report can be
drawn again, or otherwise, without the predictions. Numbers with an interval are
`Estimate`s; shares lie in 0..1; entropies are in nats; what was not measured is None or
an empty list, and each format says so instead of leaving a gap.
"""

from dataclasses import dataclass, field

from calibration.estimate import Estimate

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Bin:
    """One bin of a reliability diagram that holds at least one example."""

    lower: float
    upper: float
    count: int
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Confidence against accuracy.

    Args:
        equal_width: Bins of equal width, by confidence of the predicted class.
        equal_mass: Bins of equally many examples.
        confidence_wise: Every class's probability, not the predicted one's alone.
    """

    equal_width: list[Bin]
    equal_mass: list[Bin]
    confidence_wise: list[Bin]


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class, judged against all others.

    Args:
        index: Label of the class, from 0.
        name: Its name.
        count: Examples of the class.
        predicted: Examples predicted to be of it.
        recall: Share of its examples predicted right; None without examples.
        precision: Share of right ones among those predicted; None without predictions.
        nll: Mean negative log-likelihood of its examples, in nats.
        confidence: Mean probability it is given, over all examples.
        calibration_error: Binned error of that probability against how often it is
            the true class, over all examples.
        bins: Its own reliability diagram.
    """

    index: int
    name: str
    count: int
    predicted: int
    recall: Estimate | None
    precision: Estimate | None
    nll: Estimate | None
    confidence: float
    calibration_error: float
    bins: list[Bin]


@dataclass(frozen=True, kw_only=True)
class RecalibratedMethod:
    """One recalibration method, on the examples that all of them are scored on.

    Args:
        name: Such as "temperature".
        title: For a table, such as "Temperature scaling".
        num_parameters: Numbers fitted.
        fitted: What was fitted in words, such as "T = 1.43"; "" if there are too many.
        metrics: "accuracy", "nll", "brier" and "ece" afterwards.
        nll_change: NLL after less before, paired; negative is better.
        validation_nll: Cross-validated NLL on the fitting examples, by which the best
            is chosen.
    """

    name: str
    title: str
    num_parameters: int
    fitted: str
    metrics: dict[str, Estimate]
    nll_change: Estimate
    validation_nll: float


@dataclass(frozen=True, kw_only=True)
class RecalibrationSection:
    """What recalibration would gain.

    Args:
        fitted_on: Sentence that says which examples were fitted on and scored on.
        held_out: Whether those fitted on are apart from the test set; else they are a
            part of it, which the scored ones leave out.
        num_fitted: Examples fitted on.
        num_scored: Examples scored on; none of them was fitted on.
        best: Name of the method chosen on the fitting examples; "none" if none of them
            beats the predictions as they are there.
        before: "accuracy", "nll", "brier" and "ece" of the scored examples as they are.
        validation_nll: NLL of the fitting examples as they are, in nats.
        bins_before: Equal-width bins of the scored examples.
        bins_after: The same after the best method; empty without one.
        methods: All methods tried.
        left_out: Methods that could not be fitted, and why.
    """

    fitted_on: str
    held_out: bool
    num_fitted: int
    num_scored: int
    best: str
    before: dict[str, Estimate]
    validation_nll: float
    bins_before: list[Bin]
    bins_after: list[Bin]
    methods: list[RecalibratedMethod]
    left_out: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class ConformalRow:
    """Prediction sets of one conformal method.

    Args:
        method: Such as "THR".
        promised: Share of examples whose set holds the true class, at least.
        coverage: The share reached.
        size: Mean number of classes in a set.
        singletons: Share of sets with one class.
        empty: Share of sets without any.
    """

    method: str
    promised: float
    coverage: Estimate
    size: Estimate
    singletons: float
    empty: float


@dataclass(frozen=True, kw_only=True)
class Conformal:
    """Prediction sets.

    Args:
        fitted_on: Sentence that says which examples set the threshold.
        held_out: Whether they are apart from the test set.
        num_fitted: Their number.
        rows: One a method and promise.
    """

    fitted_on: str
    held_out: bool
    num_fitted: int
    rows: list[ConformalRow]


@dataclass(frozen=True, kw_only=True)
class Selective:
    """What is gained by leaving the most uncertain predictions to somebody else.

    Args:
        coverage: Share of examples kept, increasing.
        risk: Share of errors among those kept.
        generalised_risk: Share of errors kept among all examples.
        oracle: The least risk possible at that coverage.
        random: Risk when examples are left out at random.
        areas: "aurc", "augrc", "excess_aurc".
        oracle_area: AURC of the oracle.
        coverage_at_risk: Largest share that can be kept at each risk, by the risk in
            per cent, such as "5".
        risk_at_coverage: Risk at each coverage, by the coverage in per cent.
    """

    coverage: list[float]
    risk: list[float]
    generalised_risk: list[float]
    oracle: list[float]
    random: float
    areas: dict[str, Estimate]
    oracle_area: float
    coverage_at_risk: dict[str, Estimate]
    risk_at_coverage: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class UncertaintyHistogram:
    """How uncertain right and wrong predictions are, counted in the same bins.

    Args:
        edges: Edges of the bins of the predictive entropy, in nats, ``[B + 1]``.
        right: Predictions that are right, ``[B]``.
        wrong: Predictions that are wrong, ``[B]``.
    """

    edges: list[float]
    right: list[int]
    wrong: list[int]


@dataclass(frozen=True, kw_only=True)
class OodScore:
    """How well one score tells an OOD set from the test set."""

    name: str
    title: str
    auroc: Estimate
    aupr_out: Estimate
    aupr_in: Estimate
    fpr95: Estimate
    detection_error: Estimate


@dataclass(frozen=True, kw_only=True)
class OodSet:
    """One out-of-distribution set.

    Args:
        name: Its name.
        distance: "near", "far", or "" where nobody said.
        num_examples: Its size.
        scores: One row a score; the first is the headline, predictive entropy.
        edges: Edges of the histogram of the headline score, in nats.
        counts_in: Test examples in each bin.
        counts_out: OOD examples in each bin.
        false_positive_rate: ROC curve of the headline score.
        true_positive_rate: The same.
    """

    name: str
    distance: str
    num_examples: int
    scores: list[OodScore]
    edges: list[float]
    counts_in: list[int]
    counts_out: list[int]
    false_positive_rate: list[float]
    true_positive_rate: list[float]


@dataclass(frozen=True, kw_only=True)
class OodGroup:
    """Averages over near sets or over far sets.

    Args:
        name: "near" or "far".
        members: Names of the sets.
        scores: One row a score, averaged over the sets.
    """

    name: str
    members: list[str]
    scores: list[OodScore]


@dataclass(frozen=True, kw_only=True)
class ShiftPoint:
    """How a model fares on the test examples after one corruption.

    Args:
        kind: Such as "gaussian_noise"; "clean" for none.
        severity: 1 to 5; 0 for clean.
        metrics: "accuracy", "nll" and "ece".
    """

    kind: str
    severity: int
    metrics: dict[str, Estimate]


@dataclass(frozen=True, kw_only=True)
class WrongExample:
    """A prediction that is confident and wrong.

    Args:
        index: Row of the example in its dataset.
        label: True class.
        prediction: Predicted class.
        confidence: Probability of the predicted class.
        label_probability: Probability of the true class.
        entropy: Predictive entropy, in nats.
        mutual_information: In nats; None for a single model.
        image: The example as a PNG in base64, "" where there is none.
    """

    index: int
    label: int
    prediction: int
    confidence: float
    label_probability: float
    entropy: float
    mutual_information: float | None
    image: str = ""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """What the posterior knows of one layer.

    Args:
        name: The layer.
        num_parameters: Parameters with noise.
        deviation: Mean posterior standard deviation.
        signal_to_noise: Median of |mean| / deviation.
        kl: Divergence from the prior, in nats; None with an improper prior.
    """

    name: str
    num_parameters: int
    deviation: float
    signal_to_noise: float
    kl: float | None


@dataclass(frozen=True, kw_only=True)
class ModelReport:
    """One model on one test set.

    Args:
        name: How the report calls it.
        provenance: What was trained on what and how, by label, in the order shown.
        num_examples: N test examples.
        num_classes: C.
        num_samples: S posterior samples; 1 for a single model.
        class_names: C names.
        summary: Plain sentences computed from the numbers, the most important first.
        metrics: Every measure by name (`calibration.definitions`).
        num_errors: Test examples predicted wrong.
        num_sure_errors: Those of them with a confidence of 0.99 or more.
        num_impossible: Test examples whose true class was given probability 0, to
            within the smallest number (`calibration.metrics.SMALLEST_PROBABILITY`).
        at_mean: "accuracy", "nll", "brier", "ece" at the posterior mean; empty if it
            is not known.
        notes: What could not be measured, and why, a sentence each.
    """

    name: str
    provenance: dict[str, str]
    num_examples: int
    num_classes: int
    num_samples: int
    class_names: list[str]
    summary: list[str]
    metrics: dict[str, Estimate]
    reliability: Reliability
    classes: list[ClassRow]
    selective: Selective
    uncertainty: UncertaintyHistogram
    confidently_wrong: list[WrongExample]
    num_errors: int = 0
    num_sure_errors: int = 0
    num_impossible: int = 0
    at_mean: dict[str, Estimate] = field(default_factory=dict)
    recalibration: RecalibrationSection | None = None
    conformal: Conformal | None = None
    ood: list[OodSet] = field(default_factory=list)
    ood_groups: list[OodGroup] = field(default_factory=list)
    shift: list[ShiftPoint] = field(default_factory=list)
    posterior: list[LayerRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two models on the same test examples, paired example by example.

    Args:
        first: Name of the one.
        second: Name of the other.
        differences: Second less first: "accuracy", "nll", "brier" and "ece".
        sentence: What it comes to.
    """

    first: str
    second: str
    differences: dict[str, Estimate]
    sentence: str


@dataclass(frozen=True, kw_only=True)
class SeedRow:
    """Models that differ in nothing but the seed.

    Args:
        name: What they have in common.
        models: Their names.
        means: Mean of each measure over the seeds.
        deviations: Standard deviation (divisor: number less one).
    """

    name: str
    models: list[str]
    means: dict[str, float]
    deviations: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """A whole report.

    Args:
        title: Its heading.
        created: Date and time, ISO 8601 with time zone.
        software: Versions by name.
        num_bins: Bins of calibration errors and diagrams.
        models: One or several.
        comparisons: Of the first model with each other one on the same examples.
        seeds: Groups of models that differ in the seed alone.
        limitations: Sentences on what the numbers do not say, computed from them.
        schema: Version of this format.
    """

    title: str
    created: str
    software: dict[str, str]
    num_bins: int
    models: list[ModelReport]
    comparisons: list[Comparison] = field(default_factory=list)
    seeds: list[SeedRow] = field(default_factory=list)
    limitations: list[str] = field(default_factory=list)
    schema: int = SCHEMA
