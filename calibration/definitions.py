"""What each number is, in a sentence, and where it comes from.

One catalogue for all who show numbers: evaluation.json, the report, the model card.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

LOWER, HIGHER, NEITHER = "lower", "higher", ""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A measure in words.

    Args:
        name: Its key in files.
        title: Its name on a page.
        sentence: What it is, with unit and range.
        reference: Author, year, and where it is defined; "" for what needs none.
        better: "lower", "higher", or "" where neither is.
        percent: Whether a page shows it in per cent.
    """

    name: str
    title: str
    sentence: str
    reference: str = ""
    better: str = NEITHER
    percent: bool = False


FPR95_DEFINITION = (
    "FPR95 is the fraction of in-distribution examples wrongly flagged at the highest "
    "score threshold that flags at least 95 % of the out-of-distribution examples; "
    "out of distribution is the positive class."
)

_GUO = "Guo et al. (2017), arXiv:1706.04599, eq. 3"
_MURPHY = (
    "Murphy (1973), J. Appl. Meteorology 12:595; Stephenson et al. (2008), "
    "Weather and Forecasting 23:752"
)
_DEPEWEG = "Depeweg et al. (2018), arXiv:1710.07283, section 3"
_TRAUB = "Traub et al. (2024), arXiv:2407.01032"
_GEIFMAN = "Geifman and El-Yaniv (2017), arXiv:1705.08500"
_HENDRYCKS = "Hendrycks and Gimpel (2017), arXiv:1610.02136"

_SCORES = (
    Definition(
        name="accuracy",
        title="Accuracy",
        sentence="Fraction of examples whose most probable class is the true one.",
        better=HIGHER,
        percent=True,
    ),
    Definition(
        name="nll",
        title="Negative log-likelihood",
        sentence="Mean negative log-likelihood of the true class, in nats; lower is "
        "better.",
        reference="Gneiting and Raftery (2007), JASA 102:359",
        better=LOWER,
    ),
    Definition(
        name="brier",
        title="Brier score",
        sentence="Mean squared distance between the probabilities and the one-hot "
        "label, summed over classes, 0 to 2; lower is better.",
        reference="Brier (1950), Monthly Weather Review 78:1",
        better=LOWER,
    ),
    Definition(
        name="brier_reliability",
        title="Brier: reliability",
        sentence="Part of the Brier score that is due to probabilities that differ "
        "from the frequencies in their bin, 0 to 2; lower is better.",
        reference=_MURPHY,
        better=LOWER,
    ),
    Definition(
        name="brier_resolution",
        title="Brier: resolution",
        sentence="How far the frequencies in the bins differ from the overall ones: "
        "what the Brier score gains by telling examples apart; higher is better.",
        reference=_MURPHY,
        better=HIGHER,
    ),
    Definition(
        name="brier_uncertainty",
        title="Brier: uncertainty",
        sentence="Brier score of the overall class frequencies: how hard the labels "
        "are, whatever the model.",
        reference=_MURPHY,
    ),
)

_CALIBRATION = (
    Definition(
        name="ece",
        title="Expected calibration error",
        sentence="Expected calibration error: mean gap between confidence and accuracy "
        "over equal-width, right-closed bins of confidence, 0 to 1; lower is better.",
        reference=_GUO,
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="adaptive_ece",
        title="Adaptive calibration error",
        sentence="The same over bins that hold equally many examples.",
        reference="Nixon et al. (2019), arXiv:1904.01685",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="debiased_ece",
        title="Debiased calibration error",
        sentence="Root of the mean squared gap, less what chance alone puts into the "
        "bins; 0 where chance explains all of it.",
        reference="Kumar, Liang and Ma (2019), arXiv:1909.10155",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="rms_ce",
        title="Root-mean-square calibration error",
        sentence="Root of the mean squared gap between confidence and accuracy over "
        "the bins.",
        reference="Hendrycks et al. (2019), arXiv:1812.04606",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="mce",
        title="Maximum calibration error",
        sentence="The largest gap of all bins, however few examples the bin holds.",
        reference="Naeini et al. (2015), AAAI 29:2901",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="classwise_ece",
        title="Class-wise calibration error",
        sentence="Mean over classes of the gap between the probability of the class "
        "and how often it is the true one, over all examples.",
        reference="Kull et al. (2019), arXiv:1910.12656",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="kernel_ce",
        title="Kernel calibration error",
        sentence="Maximum mean calibration error: root of the mean product of two "
        "examples' gaps, weighted by exp(-|difference of confidence| / 0.4); needs no "
        "bins.",
        reference="Kumar, Sarawagi and Jain (2018), PMLR 80:2805",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="overconfidence",
        title="Overconfidence",
        sentence="Mean confidence less accuracy: above 0 the model promises too much, "
        "below 0 too little.",
        percent=True,
    ),
    Definition(
        name="overconfidence_error",
        title="Overconfidence error",
        sentence="Mean of the gaps of bins whose confidence exceeds their accuracy, "
        "weighted by that confidence.",
        reference="Thulasidasan et al. (2019), arXiv:1905.11001",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="mean_confidence",
        title="Mean confidence",
        sentence="Mean probability of the predicted class.",
        percent=True,
    ),
    Definition(
        name="sharpness",
        title="Sharpness",
        sentence="Mean of the sum of squared probabilities: 1 / C where all classes "
        "are equally probable, 1 where one is certain. A virtue in calibrated models.",
        reference="Gneiting, Balabdaoui and Raftery (2007), JRSS B 69:243",
    ),
)

_UNCERTAINTY = (
    Definition(
        name="predictive_entropy",
        title="Total uncertainty",
        sentence="Mean entropy of the posterior predictive, in nats: total "
        "uncertainty.",
        reference=_DEPEWEG,
    ),
    Definition(
        name="expected_entropy",
        title="Aleatoric uncertainty",
        sentence="Mean entropy of the single posterior samples, in nats: aleatoric "
        "uncertainty.",
        reference=_DEPEWEG,
    ),
    Definition(
        name="mutual_information",
        title="Epistemic uncertainty",
        sentence="Predictive less expected entropy, in nats: how far the posterior "
        "samples disagree, epistemic uncertainty.",
        reference="Houlsby et al. (2011), arXiv:1112.5745, eq. 2",
    ),
    Definition(
        name="variation_ratio",
        title="Variation ratio",
        sentence="Mean share of posterior samples that vote for another class than "
        "most samples do.",
        reference="Freeman (1965), Elementary Applied Statistics",
        percent=True,
    ),
)

_SELECTIVE = (
    Definition(
        name="aurc",
        title="AURC",
        sentence="Area under the risk-coverage curve: share of errors among the most "
        "certain examples, averaged over how many of them are kept.",
        reference=_GEIFMAN,
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="augrc",
        title="AUGRC",
        sentence="Area under the generalised risk-coverage curve: probability that an "
        "example is wrong and kept, averaged over how many are kept.",
        reference=_TRAUB,
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="excess_aurc",
        title="Excess AURC",
        sentence="AURC less that of an oracle which leaves errors out first.",
        reference="Geifman, Uziel and El-Yaniv (2019), arXiv:1805.08206",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="coverage_at_risk",
        title="Coverage at a risk",
        sentence="Largest share of examples that can be kept, the most certain first, "
        "with no more than that share of errors among them.",
        reference=_GEIFMAN,
        better=HIGHER,
        percent=True,
    ),
    Definition(
        name="risk_at_coverage",
        title="Risk at a coverage",
        sentence="Share of errors among that share of examples, the most certain ones.",
        reference=_GEIFMAN,
        better=LOWER,
        percent=True,
    ),
)

_DETECTION = (
    Definition(
        name="auroc",
        title="AUROC",
        sentence="Probability that an out-of-distribution example scores above an "
        "in-distribution one, ties counting half; 0.5 is chance.",
        reference=f"{_HENDRYCKS}; interval: DeLong et al. (1988), Biometrics 44:837",
        better=HIGHER,
        percent=True,
    ),
    Definition(
        name="aupr_out",
        title="AUPR-out",
        sentence="Average precision with out of distribution as the positive class; "
        "chance is its share of all examples.",
        reference=_HENDRYCKS,
        better=HIGHER,
        percent=True,
    ),
    Definition(
        name="aupr_in",
        title="AUPR-in",
        sentence="Average precision with in-distribution as the positive class.",
        reference=_HENDRYCKS,
        better=HIGHER,
        percent=True,
    ),
    Definition(
        name="fpr95",
        title="FPR95",
        sentence=FPR95_DEFINITION,
        reference="Liang, Li and Srikant (2018), arXiv:1706.02690",
        better=LOWER,
        percent=True,
    ),
    Definition(
        name="detection_error",
        title="Detection error",
        sentence="Smallest mean of missed out-of-distribution and wrongly flagged "
        "in-distribution examples, over all thresholds.",
        reference="Liang, Li and Srikant (2018), arXiv:1706.02690",
        better=LOWER,
        percent=True,
    ),
)

_ALL = (*_SCORES, *_CALIBRATION, *_UNCERTAINTY, *_SELECTIVE, *_DETECTION)
MEASURES: Mapping[str, Definition] = MappingProxyType({d.name: d for d in _ALL})
