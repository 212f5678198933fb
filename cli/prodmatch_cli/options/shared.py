"""Options that several commands share, and how their values are read."""

from collections.abc import Callable, Collection
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource

from prodmatch.columns.name_lists import split_pairs
from prodmatch.engines.processors import count_processors
from prodmatch.lexical.languages import LANGUAGES
from prodmatch_cli.options.parameter_types import NAME, NAME_OR_PATH, PATH, PLACE, FloatRange

if TYPE_CHECKING:
    from prodmatch.histories.log import LogSettings

Command = TypeVar("Command", bound=Callable[..., Any])
Given = TypeVar("Given", str, Path)


CATALOGUE = click.argument("catalogue", type=PLACE)
KNOWN_CATALOGUE = click.argument("catalogue", type=PLACE, required=False)
STORE_GIVEN = "prodmatch.store"  # in the context's `meta`: the value of --store
OTHER_GIVEN = "prodmatch.against"  # likewise of --against


def _note_store(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Keeps a store that is given, for the commands that messages advise."""
    source = context.get_parameter_source(str(parameter.name))
    if source is ParameterSource.DEFAULT_MAP:  # is found again where the file's name was not given
        source = context.get_parameter_source("config")
    if source is ParameterSource.COMMANDLINE:
        context.meta[STORE_GIVEN] = value
    return value


def note_other(
    context: click.Context, parameter: click.Parameter, value: Given | None
) -> Given | None:
    """Keeps another store that is given, likewise."""
    if value is not None:
        context.meta[OTHER_GIVEN] = Path(value)
    return value


STORE = click.option(
    "--store",
    type=PATH,
    callback=_note_store,
    default=Path("store"),
    help="Where features, embeddings and generations are kept.",
)
IMAGE_ROOT = click.option(
    "--image-root",
    type=PLACE,
    help="Directory, or s3:// or gs:// address, that picture paths are relative to.",
)
COLUMNS = click.option(
    "--columns",
    metavar="OURS=THEIRS,...",
    help="Names of the catalogue's columns, such as title=name,image=photo.",
)
MODEL = click.option(
    "--model",
    type=NAME_OR_PATH,
    help="A shipped model's name, a directory, or a name on a hub.  "
    "[default: the store's, else compact]",
)
DOWNLOAD = click.option(
    "--download", is_flag=True, help="Fetch a model of a hub by its name where no cache has it."
)
LEAVE_OUT = click.option(
    "--leave-out",
    metavar="COLUMN",
    multiple=True,
    type=NAME,
    help="Column that no file of the store may hold, for good; give it repeatedly.",
)
DEVICE = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="Where the encoders run.",
)
PRECISION = click.option(
    "--precision",
    type=click.Choice(["auto", "float32", "bf16", "int8"]),
    default="auto",
    help="That the encoders run in; auto is the store's; of a new one the quickest that holds.",
)


def count_decoders() -> int:
    """Processes that decode pictures while as many batches are encoded as there are processors."""
    return max(1, min(16, count_processors() // 2))


WORKERS = click.option(
    "--workers",
    type=click.IntRange(0, 64),
    default=count_decoders,
    show_default="half of the processors, at most 16",
    help="Processes that decode pictures; 0 decodes between the batches.",
)
ENGINE = click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    help="What encodes, and fills lists of codes; ray is the cluster at RAY_ADDRESS "
    "(docs/scaling.md).",
)
MAX_REJECT = click.option(
    "--max-reject",
    type=FloatRange(0, 1),
    default=0.01,
    help="Share of rows that may be rejected; above it no embeddings are written.",
)
MAX_LOST = click.option(
    "--max-lost",
    type=FloatRange(0, 1),
    default=0.1,
    help="Share of the pictures that may be unusable.",
)
TOP = click.option("--top", type=int, default=10, help="Hits of a query.")
WHERE = click.option(
    "--filter", "where", help="SQL condition, such as \"price < 50 AND colour = 'red'\"."
)
WEIGHTS = click.option("--weights", help="Of the signals, such as lexical=0.5,text=0.2,image=0.3.")
EXPLAIN = click.option(
    "--explain", is_flag=True, help="Show each signal's share of the score in the table."
)
FORMAT = click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
HIT_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "jsonl", "csv"]),
    default="table",
)
EVENT_WEIGHTS = click.option(
    "--events",
    metavar="KIND=WEIGHT,...",
    help="Weights of the kinds of events; a negative one is to keep away from.  [default: "
    "view=1,click=1,like=3,cart=3,purchase=5,return=-3; others 1]",
)
HALF_LIFE = click.option(
    "--half-life",
    type=FloatRange(0, min_open=True),
    default=30.0,
    help="Days in which an event's weight falls by a half.",
)
GENERATION = click.option(
    "--generation", "number", type=int, help="Which one.  [default: the current one]"
)


def add_options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """A decorator that adds options to a command, whose help lists them in this order."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def gather(
    parameter: str, make: Callable[..., object], names: Collection[str]
) -> Callable[[Command], Command]:
    """A decorator that gives a command one parameter, made of the values of these options."""

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gathered(*context: click.Context, **values: Any) -> None:
            own = {name: values.pop(name) for name in names if name in values}
            command(*context, **values, **{parameter: make(**own)})

        return cast(Command, gathered)

    return decorate


# Where products' pictures are; generations keep none.
picture_options = add_options(
    click.option(
        "--catalogue",
        type=PLACE,
        help="Where the pictures are.  [default: what the store was made from]",
    ),
    COLUMNS,
    IMAGE_ROOT,
)

# Of both kinds of training.
training_options = add_options(
    click.option("--out", type=PATH, required=True, help="Directory to make."),
    click.option("--dim", type=click.IntRange(2), default=256, help="Of one part."),
    click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0),
    click.option("--log-dir", type=PATH, help="Figures for TensorBoard."),
)

# Of `index`, that `build` has too.
index_options = add_options(
    click.option(
        "--weights",
        help="Of the signals, where a query names none; set by the catalogue if not given.",
    ),
    click.option(
        "--memory",
        type=FloatRange(0, min_open=True),
        help="GiB that the index may take while it answers, for auto.  [default: any]",
    ),
    click.option(
        "--min-recall",
        type=FloatRange(0, 1),
        default=0.95,
        help="Of the ten nearest products; below it nothing is published.",
    ),
    click.option(
        "--type",
        "kind",
        type=click.Choice(["auto", "flat", "codes", "hnsw", "sq8"]),
        default="auto",
        help="Compare all rows (flat), the nearest lists by two bits a number and the best "
        "again (codes), linked ones (hnsw), or all by bytes (sq8).",
    ),
    click.option(
        "--synonyms",
        type=PATH,
        help="Lines such as 'couch, sofa' and 'sneaker => trainer', or TOML, read at every "
        "run.  [default: the store's]",
    ),
    click.option(
        "--no-synonyms", is_flag=True, help="Take the store's synonyms away, from now on."
    ),
    click.option(
        "--groups",
        type=PATH,
        help="Products and their groups, such as the groups.parquet of match, read at every run: "
        "the column group_id, for --one-per.  [default: the store's]",
    ),
    click.option("--no-groups", is_flag=True, help="Take the store's groups away, from now on."),
    click.option(
        "--language",
        type=click.Choice(["auto", *LANGUAGES]),
        metavar="NAME",
        help="Of the texts, whose rules words are stemmed by; auto: the one that they tell, of "
        f"{', '.join(LANGUAGES)}.  [default: the store's, else auto]",
    ),
)


def read_pairs(value: str | None, option: str) -> dict[str, str]:
    """The pairs in `name=value,...`.

    Raises:
        click.UsageError: a part has no `=`, or a name has two values.
    """
    try:
        return split_pairs(value or "")
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from error


def read_weights(value: str | None) -> dict[str, float] | None:
    """The weights in `lexical=0.5,image=0.5`; None where the option was not given."""
    return None if value is None else read_numbers(value, "--weights")


def read_log_settings(events: str | None, half_life: float) -> "LogSettings":
    """How the events of a log count, from --events and --half-life.

    Raises:
        click.UsageError: a weight is no number.
    """
    from prodmatch.histories.log import EVENTS, LogSettings

    return LogSettings({**EVENTS, **read_numbers(events, "--events")}, half_life)


def read_numbers(value: str | None, option: str) -> dict[str, float]:
    """The numbers in `name=1.5,...`.

    Raises:
        click.UsageError: a part has no `=`, or no number behind it.
    """
    try:
        return {name: float(number) for name, number in read_pairs(value, option).items()}
    except ValueError as error:
        raise click.UsageError(f"{option}: {value!r} holds something that is no number.") from error
