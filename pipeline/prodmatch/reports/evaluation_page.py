"""An evaluation as one HTML page that a person reads: a table, bars with intervals, curves."""

import html
from collections.abc import Mapping, Sequence

from prodmatch.evaluate import Cut, Evaluation
from prodmatch.evaluation.statistics import Figure

__all__ = ["evaluation_page"]

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse; margin: 1em 0 }}
td, th {{ padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right }}
td:first-child, th:first-child {{ text-align: left }}
small {{ color: #666 }}
svg {{ max-width: 100%; height: auto; font: 12px system-ui, sans-serif }}
</style>
<h1>{title}</h1>
<p>{summary}</p>
<h2>Measures</h2>
{table}
<p><small>Means over the queries, with 95 % bootstrap intervals. Gain: hybrid less the best single
signal, and the p of a two-sided paired randomisation test.</small></p>
{bars}
<h2>Precision, recall and F1 at a probability</h2>
<p>At {threshold}: precision {precision:.3f}, recall {recall:.3f}, F1 {f1:.3f}.
Over the first ten hits the probability has a Brier score of {brier:.3f} and an expected
calibration error of {ece:.3f}.</p>
{curves}
</html>
"""
COLOURS = ("#8c6d31", "#1f77b4", "#2ca02c", "#d62728", "#9467bd", "#7f7f7f")
WIDTH, HEIGHT = 720, 260


def evaluation_page(evaluation: Evaluation, title: str) -> str:
    """The page, complete in itself: no script, nothing loaded from elsewhere."""
    cut = evaluation.at_threshold
    summary = (
        f"{evaluation.queries} queries, {evaluation.judged} qrels, "
        f"{evaluation.relevant} of them relevant; {evaluation.judged_at_10:.0%} of the hybrid's "
        "first ten hits were judged."
    )
    return PAGE.format(
        title=html.escape(title),
        summary=summary,
        table=_table(evaluation),
        bars=_bars(evaluation.figures),
        curves=_curves(evaluation.cuts),
        threshold=cut.threshold,
        precision=cut.precision,
        recall=cut.recall,
        f1=cut.f1,
        brier=evaluation.brier,
        ece=evaluation.ece,
    )


def _table(evaluation: Evaluation) -> str:
    systems = list(evaluation.figures)
    head = "".join(f"<th>{html.escape(name)}</th>" for name in (*systems, "gain"))
    lines = []
    for measure in evaluation.figures[systems[0]]:
        cells = [_cell(evaluation.figures[name][measure]) for name in systems]
        gain = evaluation.gains[measure]
        cells.append(f"{gain.difference:+.3f} <small>over {gain.signal}, p {gain.p:.4f}</small>")
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f"<tr><td>{html.escape(measure)}</td>{row}</tr>")
    return f"<table><tr><th></th>{head}</tr>{''.join(lines)}</table>"


def _cell(figure: Figure) -> str:
    return f"{figure.value:.3f} <small>{figure.low:.3f} to {figure.high:.3f}</small>"


def _bars(figures: Mapping[str, Mapping[str, Figure]]) -> str:
    measures = list(next(iter(figures.values())))
    slot = (WIDTH - 40) / len(measures)
    width = slot * 0.8 / len(figures)
    parts = [_axis()]
    for column, measure in enumerate(measures):
        left = 40 + column * slot
        for place, (name, each) in enumerate(figures.items()):
            x, figure = left + place * width, each[measure]
            parts.append(
                f'<rect x="{x:.1f}" y="{_y(figure.value):.1f}" width="{width * 0.9:.1f}" '
                f'height="{_y(0) - _y(figure.value):.1f}" fill="{_colour(place)}">'
                f"<title>{html.escape(name)} {html.escape(measure)} {figure.value}</title></rect>"
            )
            middle = x + width * 0.45
            parts.append(
                f'<line x1="{middle:.1f}" x2="{middle:.1f}" y1="{_y(figure.low):.1f}" '
                f'y2="{_y(figure.high):.1f}" stroke="#000"/>'
            )
        parts.append(f'<text x="{left:.1f}" y="{HEIGHT - 8}">{html.escape(measure)}</text>')
    return _svg([*parts, *_legend(list(figures))])


def _curves(cuts: Sequence[Cut]) -> str:
    parts = [_axis()]
    names = ("precision", "recall", "f1")
    for place, name in enumerate(names):
        points = " ".join(
            f"{40 + cut.threshold * (WIDTH - 60):.1f},{_y(getattr(cut, name)):.1f}" for cut in cuts
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{_colour(place)}" stroke-width="2"/>'
        )
    parts += [
        f'<text x="{40 + at * (WIDTH - 60):.1f}" y="{HEIGHT - 8}">{at}</text>'
        for at in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    return _svg([*parts, *_legend(names)])


def _axis() -> str:
    lines = (
        f'<line x1="40" x2="{WIDTH}" y1="{_y(at):.1f}" y2="{_y(at):.1f}" stroke="#ddd"/>'
        f'<text x="8" y="{_y(at) + 4:.1f}">{at}</text>'
        for at in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    return "".join(lines)


def _legend(names: Sequence[str]) -> list[str]:
    return [
        f'<text x="{60 + 110 * place}" y="14" fill="{_colour(place)}">{html.escape(name)}</text>'
        for place, name in enumerate(names)
    ]


def _svg(parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {WIDTH + 40} {HEIGHT}" role="img">{"".join(parts)}</svg>'


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _y(value: float) -> float:
    return 24 + (HEIGHT - 50) * (1 - value)
