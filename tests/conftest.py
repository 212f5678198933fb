"""Fixtures: a small random model, made once, and stores that need not export it again."""

import os
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TQDM_DISABLE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads of tests side by side do not spin

from shell import Shell
from small import embed, products, save_encoders, shrink_pictures, write
from tiny import contents, night, save_catalogue, save_query_encoders, save_tiny_model

from prodmatch.catalogue.reader import open_catalogue
from prodmatch.encoders.networks.model_writer import EncoderFiles
from prodmatch.index import index_embeddings
from prodmatch.model.description import Model, open_model
from prodmatch.train import HeadSettings, fit_heads

COUNTS = pytest.StashKey[dict[str, int]]()
Counting = Callable[[str, int], None]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[COUNTS] = {}


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands the counts of a process to that which shows them, where tests are shared out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["counts"] = session.config.stash[COUNTS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Adds up the counts of the processes."""
    for name, count in getattr(node, "workeroutput", {}).get("counts", {}).items():
        counts = node.config.stash[COUNTS]
        counts[name] = counts.get(name, 0) + count


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escapes what is not Unicode in captured output, which is handed on in UTF-8."""
    report = yield
    report.sections = [
        (title, text.encode(errors="backslashreplace").decode()) for title, text in report.sections
    ]
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Says how many cases the harnesses ran."""
    for name, count in sorted(config.stash[COUNTS].items()):
        terminalreporter.write_line(f"{count:7,} {name}")


@pytest.fixture
def count_cases(request: pytest.FixtureRequest) -> Counting:
    """Adds to what the summary says of a kind of case."""
    counts = request.config.stash[COUNTS]

    def count(name: str, number: int) -> None:
        counts[name] = counts.get(name, 0) + number

    return count


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A small random BERT and ResNet with heads fitted on sixty products."""
    folder = tmp_path_factory.mktemp("model")
    encoders = save_encoders(folder)
    catalogue = open_catalogue(write(folder / "catalogue.parquet", products(90)))
    files = EncoderFiles.of_files(encoders.text, encoders.resnet, encoders.weights)
    settings = HeadSettings(dim=8, workers=0, precision="float32")
    fit_heads(catalogue, files, folder / "small", folder / "store", settings)
    shrink_pictures(folder / "small", 32)
    return open_model(str(folder / "small"))


@pytest.fixture(scope="session")
def exported(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds the query encoders of the model."""
    store = tmp_path_factory.mktemp("exported") / "store"
    embed(write(store.with_name("one.parquet"), products(1)), model, store)
    return store


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: a sync costs nothing there, and is as much a call."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def store(exported: Path, tmp_path: Path) -> Path:
    """A store of its own for one test, empty but for the query encoders, which cost seconds."""
    store = tmp_path / "store"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    return store


@pytest.fixture(scope="session")
def published(exported: Path, model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with sixty products published, encoded in float32; tests read it only."""
    return _publish(tmp_path_factory.mktemp("published"), exported, model, "float32")


@pytest.fixture
def shell(
    published: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    """The command line, with `published` as its store unless a test sets another."""
    return Shell(published, monkeypatch, capsys)


@pytest.fixture(scope="session", params=["float32", "bf16"])
def published_in_each(
    request: pytest.FixtureRequest,
    published: Path,
    exported: Path,
    model: Model,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """As `published`, in each precision; every processor computes or emulates both."""
    if request.param == "float32":
        return published
    return _publish(tmp_path_factory.mktemp("published"), exported, model, request.param)


def _publish(folder: Path, exported: Path, model: Model, precision: str) -> Path:
    store = folder / "store"
    shutil.copytree(exported / "encoders", store / "encoders", copy_function=os.link)
    catalogue = write(store.with_name("sixty.parquet"), products(60))
    embed(catalogue, model, store, precision=precision)
    index_embeddings(store)
    return store


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model without a network in it, whose nights take a tenth of a second."""
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def base(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store of one generation, tomorrow's catalogue, and what it should give.

    Tests copy `store`, run a night over `after.parquet` with harm in it, and compare the copy with
    `gold`, which nobody harmed.
    """
    folder = tmp_path_factory.mktemp("base")
    save_query_encoders(folder / "store", tiny)
    night(save_catalogue(folder / "before.parquet", 9), tiny, folder / "store")
    save_catalogue(folder / "after.parquet", 12, first=3)
    for name in ("gold", "again"):
        shutil.copytree(folder / "store", folder / name)
        night(folder / "after.parquet", tiny, folder / name)
    assert contents(folder / "gold") == contents(folder / "again")
    return folder
