"""What an evaluation comes to, in sentences."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # its measures need an extra
    from prodmatch.evaluate import Evaluation

HYBRID = "hybrid"
MEASURE = "nDCG@10"
SURE = 0.05  # p below which a difference is called none of chance


def say_verdict(evaluation: "Evaluation") -> list[str]:
    """How good the hybrid is, and whether it is better than its best signal and than others."""
    figures = evaluation.figures[HYBRID]
    success = next(figure for name, figure in figures.items() if name.startswith("Success"))
    queries = f"{evaluation.queries:,} {'query' if evaluation.queries == 1 else 'queries'}"
    first = (
        f"The hybrid finds a relevant product among the first ten for {100 * success.value:.1f} % "
        f"of {queries} ({MEASURE} {figures[MEASURE].value:.3f})."
    )
    gain = evaluation.gains[MEASURE]
    single = f"the best single signal, {gain.signal},"
    sentences = [first, _compared(gain.difference, gain.p, single)]
    for name, comparison in evaluation.comparisons.items():
        found = comparison.measures[MEASURE]
        sentences.append(_compared(found.difference, found.p, f"“{name}”"))
    return sentences


def _compared(difference: float, p: float, other: str) -> str:
    size = f"{abs(difference):.3f}"
    if float(size) == 0:
        return f"It is as good as {other.rstrip(',')}."
    way = "better" if difference > 0 else "worse"
    sure = "more than chance" if p < SURE else "which may be chance"
    return f"It is {way} than {other} by {size}, {sure} (p {p:.4f})."
