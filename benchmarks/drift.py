"""Harms to one product in a hundred against ordinary nights: what `prodmatch drift` notices.

The nights are made by rules of their own, not by those that the limits are simulated with, and
encoded by the model: real products are added, titles edited, pictures cropped and relit.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from drift_nights import HARMS, Night, World, harm, ordinary

from prodmatch.drift import count_signals, find_signals, simulate
from prodmatch.model.onnx_encoders import QueryEncoders
from prodmatch.morning.alarms import Findings
from prodmatch.morning.categories import find_shifts
from prodmatch.morning.ordinary import find_limits
from prodmatch.morning.pair import Pair, pair_snapshots
from prodmatch.morning.snapshot import read_snapshot
from prodmatch.storage.generations import open_generation

FILES = ("fashion", "tops", "electronics", "home")
PRODUCTS, RESERVE = 3000, 600


def make_world(data: Path, work: Path, seed: int) -> World:
    """A store of sampled products, made once, and what is needed to change them."""
    catalogue, store = work / "catalogue.parquet", work / "store"
    if not (store / "index" / "CURRENT").exists():
        work.mkdir(parents=True, exist_ok=True)
        pq.write_table(sample(data, seed), catalogue)
        command = [sys.executable, "-m", "prodmatch_cli", "build", str(catalogue)]
        subprocess.run(
            [*command, "--store", str(store), "--quiet"], check=True, capture_output=True
        )
    generation = open_generation(store)
    table = pq.read_table(catalogue, columns=["product_id", "image"])
    pictures = dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    return World(read_snapshot(generation), QueryEncoders(generation.folder / "encoders"), pictures)


def sample(data: Path, seed: int) -> pa.Table:
    """Products of all shops, with prices and stock, which the data have not: drawn at random."""
    rng = np.random.default_rng(seed)
    tables = [pq.read_table(data / "catalogue" / f"{name}.parquet") for name in FILES]
    total, wanted = sum(map(len, tables)), PRODUCTS + RESERVE
    parts = [
        table.take(
            np.sort(
                rng.choice(
                    len(table),
                    min(len(table), max(300, wanted * len(table) // total)),
                    replace=False,
                )
            )
        )
        for table in tables
    ]
    table = pa.concat_tables(parts, promote_options="permissive").drop_columns(["split"])
    table = table.take(rng.permutation(len(table))[:wanted])
    prices = np.maximum(1, np.round(rng.lognormal(3.2, 0.8, len(table)))) - 0.01
    table = table.append_column("price", pa.array(prices))
    return table.append_column("stock", pa.array(rng.poisson(20, len(table))))


@dataclass(frozen=True)
class Outcome:
    """What came of a night: its alarms, and the products that they name."""

    kind: str
    alarms: list[str]
    named: set[str]
    faulty: set[str]

    @property
    def caught(self) -> bool:
        """Whether the alarms name a third of the faulty products at least."""
        return len(self.named & self.faulty) >= max(1, len(self.faulty)) / 3


def judge(
    pair: Pair, kind: str, faulty: set[str], limits_of: Callable[[list[str]], dict]
) -> Outcome:
    signals = find_signals(pair)
    findings = Findings(
        pair, signals, limits_of([each.name for each in signals]), find_shifts(pair)
    )
    rows = findings.rows()
    return Outcome(
        kind, [each.name for each in findings.alarms()], {row.product_id for row in rows}, faulty
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("build/drift"))
    parser.add_argument("--nights", type=int, default=5, help="of each kind of harm")
    parser.add_argument("--ordinary", type=int, default=100, help="nights without harm")
    parser.add_argument("--history", type=int, default=0, help="earlier nights to learn from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    world = make_world(options.data, options.work, options.seed)
    order = np.random.default_rng(options.seed).permutation(len(world.snapshot))
    split = len(order) * PRODUCTS // (PRODUCTS + RESERVE)
    base, reserve = np.sort(order[:split]), order[split:].tolist()
    last = world.first_night(base)
    simulated = simulate(last, options.seed)

    def pair_of(night: Night) -> Pair:
        return pair_snapshots(last, world.finish(night))

    def fresh(*seed: int) -> tuple[Night, np.random.Generator]:
        rng = np.random.default_rng([options.seed, *seed])
        return ordinary(world, world.night(base.tolist()), reserve, rng), rng

    history = [count_signals(pair_of(fresh(9, number)[0])) for number in range(options.history)]

    def limits_of(names: list[str]) -> dict:
        return find_limits(names, len(last), simulated, history, options.seed)

    outcomes = []
    for number in range(options.ordinary):
        outcomes.append(judge(pair_of(fresh(1, number)[0]), "ordinary", set(), limits_of))
        report(outcomes[-1])
    for position, kind in enumerate(HARMS):
        for number in range(options.nights):
            night, rng = fresh(2, position, number)
            night = harm(world, night, kind, rng)
            outcomes.append(judge(pair_of(night), kind, night.faulty, limits_of))
            report(outcomes[-1])
    summarise(outcomes)


def report(outcome: Outcome) -> None:
    named = len(outcome.named & outcome.faulty)
    print(f"{outcome.kind}: {named} of {len(outcome.faulty)}, {outcome.alarms}", file=sys.stderr)  # noqa: T201


def summarise(outcomes: list[Outcome]) -> None:
    """One line of JSON for each kind, and one for all."""
    kinds = dict.fromkeys(each.kind for each in outcomes if each.kind != "ordinary")
    for kind in kinds:
        show({"fault": kind, **figures([each for each in outcomes if each.kind == kind])})
    quiet = [each for each in outcomes if each.kind == "ordinary"]
    harms = [each for each in outcomes if each.kind != "ordinary"]
    false = sum(bool(each.alarms) for each in quiet)
    show({"kinds": len(kinds), **figures(harms), "ordinary": len(quiet), "false_alarms": false})


def figures(outcomes: list[Outcome]) -> dict[str, float]:
    faulty = sum(len(each.faulty) for each in outcomes)
    right = sum(len(each.named & each.faulty) for each in outcomes)
    return {
        "nights": len(outcomes),
        "caught": sum(each.caught for each in outcomes),
        "rows_named": round(right / max(1, faulty), 3),
        "of_named_faulty": round(right / max(1, sum(len(each.named) for each in outcomes)), 3),
    }


def show(line: dict[str, object]) -> None:
    print(json.dumps(line))  # noqa: T201


if __name__ == "__main__":
    main()
