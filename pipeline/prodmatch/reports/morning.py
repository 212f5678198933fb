"""The morning report: a page of what a night changed, for a person with a cup of coffee."""

from collections import defaultdict
from collections.abc import Mapping

from prodmatch.morning.report import DriftReport, SuspectRow
from prodmatch.reports.rendering import make_pictures, render

QUERIES_SHOWN = 10
SURE = 0.05  # p of a category that is shown


def morning_page(report: DriftReport, pictures: Mapping[str, bytes] | None = None) -> str:
    """How one generation differs from another: alarms first, then figures.

    Args:
        pictures: those of the products of `shown_products` that there are, by id.
    """
    titles = {row.product_id: row.title for row in report.rows if row.title}
    return render(
        "morning.html",
        found=report,
        verdict=say_verdict(report),
        rows=_shown_rows(report),
        moved=report.moved[:QUERIES_SHOWN],
        shifts=[each for each in report.shifts if each.significant or each.p <= SURE],
        names={**titles, **report.titles},
        pictures=make_pictures(pictures or {}, shown_products(report)),
    )


def shown_products(report: DriftReport) -> list[str]:
    """The product of each place of a picture in the page."""
    rows = [row.product_id for rows in _shown_rows(report).values() for row in rows]
    moved = report.moved[:QUERIES_SHOWN]
    return [*rows, *(name for query in moved for name in (*query.before, *query.after))]


def say_verdict(report: DriftReport) -> str:
    """The night in a sentence."""
    changes = f"{report.added:,} added, {report.changed:,} changed, {report.removed:,} removed"
    if not report.alarms:
        return f"No alarm: an ordinary night, with {changes}."
    count = len(report.alarms)
    return (
        f"{count} {'alarm' if count == 1 else 'alarms'}, about {100 * report.drift:.1f} % of the "
        f"products; {changes}."
    )


def _shown_rows(report: DriftReport) -> dict[str, list[SuspectRow]]:
    """The products that the texts of the alarms name, by alarm."""
    named = {
        (alarm.name, product_id) for alarm in report.alarms for product_id in alarm.product_ids
    }
    rows: dict[str, list[SuspectRow]] = defaultdict(list)
    for row in report.rows:
        if (row.alarm, row.product_id) in named:
            rows[row.alarm].append(row)
    return dict(rows)
