"""Encoders by name: from the caches of the libraries; fetched only where that is wanted."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote

import pytest
import torchvision
from huggingface_hub import constants
from small import products, run, save_encoders, write
from tiny import save_tiny_model

import prodmatch
from prodmatch.encoders.networks.model_writer import copy_files, find_text_spec
from prodmatch.encoders.networks.published import find_image_weights, find_text_encoder
from prodmatch.errors import ModelError
from prodmatch.model.description import open_model
from prodmatch.model.hub import find_model

NAME = "shop/tiny-bert"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TELEMETRY = "HF_HUB_DISABLE_TELEMETRY"
PIPELINE = Path(prodmatch.__file__).parent
LOADS_A_HUB_LIBRARY = [
    path
    for path in PIPELINE.rglob("*.py")
    if re.search(r"^(from|import) (huggingface_hub|transformers)\b", path.read_text(), re.MULTILINE)
]


def module_of(path: Path) -> str:
    """The name that a file of the package is imported by."""
    return ".".join(path.relative_to(PIPELINE.parent).with_suffix("").parts)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a BERT in `bert`, and a ResNet-18 in a file."""
    folder = tmp_path_factory.mktemp("encoders")
    save_encoders(folder)
    return folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's cache, which is empty, of a library that may use the network."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return tmp_path / "hub"


def blob_id(name: str) -> str:
    """What a hub calls the contents of a file."""
    return hashlib.sha1(name.encode()).hexdigest()


def fill_cache(cache: Path, source: Path, files: Sequence[str] = ("**/*",)) -> None:
    """Lays out files as the hub's library does: `refs`, `blobs`, links to these in `snapshots`."""
    folder = cache / f"models--{NAME.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    for each in (folder / "refs", folder / "blobs", snapshot):
        each.mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    found = sorted(path for pattern in files for path in source.glob(pattern) if path.is_file())
    for path in found:
        blob = folder / "blobs" / blob_id(path.relative_to(source).as_posix())
        shutil.copy(path, blob)
        link = snapshot / path.relative_to(source)
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))


class Hub(BaseHTTPRequestHandler):
    """The few addresses of a hub that a snapshot is fetched from."""

    agents: ClassVar[set[str]] = set()  # what programs that requested something are

    def __init__(self, source: Path, asked: list[str], *arguments: object) -> None:
        self.source, self.asked = source, asked
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        self.agents.add(self.headers["User-Agent"])
        found = sorted(path for path in self.source.rglob("*") if path.is_file())
        names = [path.relative_to(self.source).as_posix() for path in found]
        name = unquote(self.path.partition(f"/resolve/{COMMIT}/")[2].partition("?")[0])
        path = self.source / (name or "none")
        if self.path.startswith(f"/api/models/{NAME}/revision/"):
            siblings = [{"rfilename": name} for name in names]
            content = json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode()
        elif self.path.startswith(f"/api/models/{NAME}/tree/"):
            tree = [
                {"type": "file", "path": name, "size": (self.source / name).stat().st_size,
                 "oid": blob_id(name)}
                for name in names
            ]  # fmt: skip
            content = json.dumps(tree).encode()
        elif "/resolve/" in self.path and path.is_file():
            content = path.read_bytes()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{blob_id(name)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a model of our own."""
    save_tiny_model(tmp_path / "own", name="own")
    return tmp_path / "own"


@pytest.fixture
def hub(
    encoders: Path,
    own: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[list[str]]:
    """The paths that were requested of a hub on this machine, which has the one repository."""
    asked: list[str] = []
    Hub.agents.clear()
    source = own if getattr(request, "param", "") == "model" else encoders / "bert"
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, source, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}",
    )
    yield asked
    server.shutdown()
    server.server_close()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_directory_goes_before_a_name(encoders: Path, hub: list[str]) -> None:
    assert find_text_encoder(str(encoders / "bert"), download=True) == encoders / "bert"
    assert hub == []


def test_a_name_in_the_cache_is_used_and_nothing_is_requested(
    encoders: Path, cache: Path, hub: list[str], tmp_path: Path
) -> None:
    fill_cache(cache, encoders / "bert")
    for download in (False, True):
        found = find_text_encoder(NAME, download=download)
        assert names(found) == names(encoders / "bert")
    assert hub == []
    copy_files(found, tmp_path)
    assert not (tmp_path / "model.safetensors").is_symlink()
    assert find_text_spec(found).pooling == "mean"


def test_a_name_is_fetched_where_that_is_wanted_and_kept(
    encoders: Path, cache: Path, hub: list[str]
) -> None:
    found = find_text_encoder(NAME, download=True)
    for name in ("config.json", "model.safetensors"):
        assert (found / name).read_bytes() == (encoders / "bert" / name).read_bytes()
    assert any(path.endswith("model.safetensors") for path in hub)
    hub.clear()
    assert find_text_encoder(NAME) == found
    assert hub == []


def test_a_name_that_no_cache_has_is_one_message(hub: list[str]) -> None:
    with pytest.raises(ModelError, match=r"is no directory, .*, or fetch it with `download`\.$"):
        find_text_encoder(NAME)
    assert hub == []
    with pytest.raises(ModelError, match=r"`text_encoder=shop/none`: cannot be fetched \("):
        find_text_encoder("shop/none", download=True)


def test_a_model_in_the_cache_is_used_and_nothing_is_requested(
    own: Path, cache: Path, hub: list[str]
) -> None:
    fill_cache(cache, own)
    for download in (False, True):
        found = find_model(NAME, download=download)
        assert found.description.name == "own"
        assert found.fingerprint == open_model(str(own)).fingerprint
    assert hub == []
    assert open_model(found.reference).fingerprint == found.fingerprint


@pytest.mark.parametrize("hub", ["model"], indirect=True)
@pytest.mark.parametrize("there", [(), ("*.json",)], ids=["nothing", "a part"])
def test_a_model_is_fetched_where_that_is_wanted_and_kept(
    there: tuple[str, ...], own: Path, cache: Path, hub: list[str]
) -> None:
    if there:
        fill_cache(cache, own, there)
    with pytest.raises(ModelError):
        find_model(NAME)
    assert hub == []
    found = find_model(NAME, download=True)
    assert found.fingerprint == open_model(str(own)).fingerprint
    assert any(path.endswith("heads.safetensors") for path in hub)
    hub.clear()
    assert find_model(NAME).folder == found.folder
    assert hub == []


def test_an_encoder_of_a_hub_is_no_model_yet(encoders: Path, cache: Path, hub: list[str]) -> None:
    train = r"`train\(catalogue, out=DIR, text_encoder=shop/tiny-bert, image_encoder="
    with pytest.raises(ModelError, match=rf"`model={NAME}`: is a text encoder, .*{train}"):
        find_model(NAME, download=True)
    assert [path for path in hub if path.endswith("model.safetensors")] == []  # not for a message
    hub.clear()
    with pytest.raises(ModelError, match=train):
        find_model(NAME)
    for name in ("resnet50", "resnext50_32x4d", "wide_resnet50_2"):
        with pytest.raises(ModelError, match=f"is an image encoder, .* image_encoder={name}, "):
            find_model(name, download=True)
    assert hub == []


def test_a_model_that_no_cache_has_is_one_message(hub: list[str]) -> None:
    for name in (NAME, "bert-base-uncased", "models/mine", "no-such"):
        with pytest.raises(ModelError, match=r"shipped model \(compact\) .*`download`\.$"):
            find_model(name)
    assert hub == []
    with pytest.raises(ModelError, match=r"`model=shop/none`: cannot be fetched \("):
        find_model("shop/none", download=True)
    assert find_model("compact").description.name == "compact"


def test_commands_take_the_names_of_a_hub(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    catalogue = write(tmp_path / "c.parquet", products(9))
    arguments = ["embed", catalogue, "--store", tmp_path / "store", "--dry-run", "--model", NAME]
    done = run(*arguments)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "fetch it with --download." in done.err
    done = run(*arguments, "--download")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert f"error: --model {NAME}: cannot be fetched (" in done.err
    fill_cache(tmp_path / "home" / "hub", own)
    done = run(*arguments)
    assert done.code == 0, done.err
    assert json.loads(done.out)["texts_to_encode"] == 9


@pytest.mark.parametrize("hub", ["model"], indirect=True)
@pytest.mark.parametrize("command", [["build"], ["embed", "--dry-run"]], ids=" ".join)
def test_a_hub_learns_nothing_of_what_is_installed_here(
    command: list[str], hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TELEMETRY, raising=False)  # which this process has set for itself
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", constants.ENDPOINT)
    catalogue = write(tmp_path / "c.parquet", products(9))
    run(*command, catalogue, "--store", tmp_path / "store", "--model", NAME, "--download")
    assert any(path.endswith("heads.safetensors") for path in hub)
    assert Hub.agents
    assert [path for path in hub if "telemetry" in path] == []
    assert [agent for agent in Hub.agents if "torch" in agent] == []


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(map(module_of, LOADS_A_HUB_LIBRARY)))
def test_telemetry_is_off_in_every_module_that_loads_a_library_of_a_hub(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TELEMETRY, raising=False)
    code = f"import {module}; from huggingface_hub import constants as found; "
    code += "raise SystemExit(not found.HF_HUB_DISABLE_TELEMETRY)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_weights_are_those_in_the_cache_of_torch(
    encoders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"`image_weights`, or fetch them with `download`\.$"):
        find_image_weights("resnet18")
    url = torchvision.models.get_model_weights("resnet18").DEFAULT.url
    path = tmp_path / "hub" / "checkpoints" / url.rpartition("/")[2]
    path.parent.mkdir(parents=True)
    shutil.copy(encoders / "resnet18.pth", path)
    assert find_image_weights("resnet18") == path
    with pytest.raises(ModelError, match="is no ResNet"):
        find_image_weights("resnet", download=True)


@pytest.mark.slow
def test_the_command_line_trains_over_names(
    encoders: Path, hub: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", constants.ENDPOINT)
    catalogue = write(tmp_path / "c.parquet", products(60))
    arguments = ["train", catalogue, "--store", tmp_path / "store", "--out", tmp_path / "model"]
    arguments += ["--image-encoder", "resnet18", "--epochs", "1", "--dim", "8", "--workers", "0"]
    arguments += ["--text-encoder", NAME, "--image-weights", encoders / "resnet18.pth"]
    done = run(*arguments)
    assert (done.code, done.err.count("\n"), hub) == (1, 1, [])
    assert f"error: --text-encoder {NAME}: is no directory" in done.err
    assert done.err.endswith("Give a directory, or fetch it with --download.\n")
    done = run(*arguments, "--download")
    assert done.code == 0, done.err
    assert [path for path in hub if "telemetry" in path] == []
    assert open_model(str(tmp_path / "model")).description.image.architecture == "resnet18"
