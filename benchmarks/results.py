"""Writes `benchmarks/RESULTS.md` and its plots from the figures that the benchmarks wrote.

`make bench` runs the benchmarks with `--json build/bench/NAME.json`, and then this. What no figures
are there of stays on the page as it was.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

HEAD = """# Results

Written by `make bench`; edit nothing here. Ratios are of one run, contestants in turn; a load above
the number of cores says that other programs were at work, which makes every rate too low.
"""
WIDTH, BAR, NAMES = 760, 22, 270  # of a plot, a bar with its gap, and the names next to it
EARLIER = "Of an earlier run: "
Row = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def plot(title: str, bars: Sequence[tuple[str, float]], unit: str) -> str:
    """A bar for each figure, as SVG."""
    longest = max((value for _, value in bars), default=1.0) or 1.0
    height = 40 + BAR * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="sans-serif" font-size="12" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        f'<text x="8" y="20" font-weight="bold">{escape(title)}</text>',
    ]
    for position, (name, value) in enumerate(bars):
        top = 32 + BAR * position
        length = max(1.0, (WIDTH - NAMES - 90) * value / longest)
        colour = "#1a6b54" if name.startswith("ours") else "#9aa5b1"
        parts += [
            f'<text x="{NAMES - 8}" y="{top + 13}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{NAMES}" y="{top}" width="{length:.1f}" height="{BAR - 6}" '
            f'fill="{colour}"/>',
            f'<text x="{NAMES + length + 6:.1f}" y="{top + 13}">{number(value)} {unit}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def number(value: float | None, form: str = "") -> str:
    """A figure to three digits; nothing where there is none."""
    if value is None or value != value:
        return ""
    return format(value, form or (",.0f" if value >= 100 else ".3g"))


def machine_lines(content: Row) -> str:
    """The processor, the load, the day, and the peak where it was measured."""
    machine = content["machine"]
    load = f"load {content.get('load before', machine['load'])} before, {machine['load']} after"
    kinds = ", ".join(machine["instructions"]) or "no wide instructions"
    text = (
        f"{machine['cores']} cores of {machine['processor']} ({kinds}); {load}; {content['day']}."
    )
    if "peak" in content:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in content["peak"].items())
        text += f" GFLOP/s of a product of matrices in the same run: {rates}."
    return text + "\n"


def encode_page(content: Row, plots: Path) -> str:
    """Encoding next to its peers."""
    text = "## Encoding\n\n" + machine_lines(content)
    for work in dict.fromkeys(row["work"] for row in content["rows"]):
        rows = [row for row in content["rows"] if row["work"] == work]
        took_part = [row for row in rows if "missing" not in row]
        name = f"encode_{work.split(',')[0].lower().replace('-', '_')}.svg"
        bars = [(row["way"], row["a second"]) for row in took_part]
        (plots / name).write_text(plot(work, bars, "a second"))
        text += f"\n### {work}\n\n![{work}](plots/{name})\n\n"
        text += table(
            ["", "whole job, a second", "ratio", "network alone, a second", "ratio",
             "of the peak: alone, whole", "least cosine to the first"],
            [encode_cells(row) for row in took_part],
        )  # fmt: skip
        text += missing_lines(rows)
    return text


def former_works(content: Row, former: str) -> str:
    """What an earlier page says of encoders that were not measured again, and of its run."""
    measured = {row["work"].split(",")[0] for row in content["rows"]}
    head, *parts = former.split("\n### ")
    run = former.split(EARLIER)[1:] or head.split("\n\n")[1:]
    texts = (part.split(f"\n{EARLIER}")[0].strip("\n") for part in parts)
    kept = [f"\n### {text}\n" for text in texts if text.split(",")[0] not in measured]
    return "".join([f"\n{EARLIER}{run[0].splitlines()[0]}\n", *kept]) if kept else ""


def encode_cells(row: Row) -> list[str]:
    shares = [number(row.get(name), ".0%") for name in ("share of peak", "share of peak, whole")]
    return [
        row["way"], number(row["a second"]), number(row["ratio"], ".2f"),
        number(row.get("forward a second")), number(row.get("forward ratio"), ".2f"),
        ", ".join(filter(None, shares)), number(row.get("cosine"), ".4f"),
    ]  # fmt: skip


def missing_lines(rows: Sequence[Row]) -> str:
    found = [f"* Left out: {row['way']}: {row['missing']}\n" for row in rows if "missing" in row]
    return "\n" + "".join(found) if found else ""


def index_page(content: Row, plots: Path) -> str:
    """Indexes at equal recall."""
    rows = [row for row in content["rows"] if "missing" not in row]
    bars = [(row["way"], row["milliseconds"]) for row in rows]
    (plots / "index.svg").write_text(plot(f"A query over {content['work']}", bars, "ms"))
    text = f"## Index, {content['work']}\n\n{machine_lines(content)}\n![index](plots/index.svg)\n\n"
    text += table(
        ["", "built in, s", "recall@10", "ms a query, one thread"],
        [
            [row["way"], number(row["build seconds"]), f"{row['recall']:.4f}",
             number(row["milliseconds"])]
            for row in rows
        ],
    )  # fmt: skip
    return text + missing_lines(content["rows"])


def job_page(content: Row, plots: Path) -> str:
    """The main job next to the same work written plainly."""
    rows = content["rows"]
    bars = [("ours, embed" if row["way"].startswith("embed, new") else row["way"], row["seconds"])
            for row in rows]  # fmt: skip
    (plots / "job.svg").write_text(plot(f"{content['products']} products", bars, "s"))
    text = f"## The main job, {content['products']} products\n\n{machine_lines(content)}\n"
    text += "![the main job](plots/job.svg)\n\n"
    return text + table(
        ["", "seconds", "of the baseline", "peak MB"],
        [
            [row["way"], number(row["seconds"]), number(row["ratio"], ".2f"),
             number(row["peak MB"])]
            for row in rows
        ],
    )  # fmt: skip


def nights_page(content: Row, plots: Path) -> str:
    """What a night costs."""
    rows = content["rows"]
    (plots / "nights.svg").write_text(
        plot("Processor seconds of a night", [(row["way"], row["seconds"]) for row in rows], "s")
    )
    text = f"## Nights, {content['products']} products\n\n{machine_lines(content)}\n"
    text += "![nights](plots/nights.svg)\n\n"
    return text + table(
        ["", "processor seconds", "times less than the first", "peak MB"],
        [
            [row["way"], number(row["seconds"]), number(row["ratio"]), number(row["peak MB"])]
            for row in rows
        ],
    )


PAGES: dict[str, tuple[str, Callable[[Row, Path], str]]] = {
    "encode": ("## Encoding", encode_page),
    "index": ("## Index", index_page),
    "job": ("## The main job", job_page),
    "nights": ("## Nights", nights_page),
}


def former_page(page: str, heading: str) -> str | None:
    """A part of an earlier page, None where it has none."""
    parts = (f"## {part}" for part in page.split("\n## ")[1:])
    return next((part for part in parts if part.startswith(heading)), None)


def main() -> None:
    """Writes the page of what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", type=Path, default=Path("build/bench"))
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RESULTS.md"))
    options = parser.parse_args()
    plots = options.out.parent / "plots"
    plots.mkdir(parents=True, exist_ok=True)
    found = [json.loads(path.read_text()) for path in sorted(options.figures.glob("*.json"))]
    by_name = {content["benchmark"]: content for content in found}
    if not found:
        raise SystemExit(f"{options.figures}: holds no figures. Run 'make bench'.")
    former = options.out.read_text() if options.out.exists() else ""
    pages = [
        make(by_name[name], plots) if name in by_name else former_page(former, heading)
        for name, (heading, make) in PAGES.items()
    ]
    if "encode" in by_name and (earlier := former_page(former, PAGES["encode"][0])):
        pages[0] = str(pages[0]) + former_works(by_name["encode"], earlier)
    text = "\n".join(page.rstrip("\n") + "\n" for page in [HEAD, *filter(None, pages)])
    options.out.write_text(text)


if __name__ == "__main__":
    main()
