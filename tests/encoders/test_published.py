"""Encoders by name: from the caches of the libraries; fetched only where that is wanted."""

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torchvision
from huggingface_hub import constants
from small import products, run, save_encoders, write

from prodmatch.encoders.model_writer import copy_files, find_text_spec
from prodmatch.encoders.published import find_image_weights, find_text_encoder
from prodmatch.errors import ModelError
from prodmatch.model.description import open_model

NAME = "shop/tiny-bert"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


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


def fill_cache(cache: Path, source: Path) -> None:
    """Lays out files as the hub's library does: `refs`, `blobs`, links to these in `snapshots`."""
    folder = cache / f"models--{NAME.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    for each in (folder / "refs", folder / "blobs", snapshot):
        each.mkdir(parents=True)
    (folder / "refs" / "main").write_text(COMMIT)
    for number, path in enumerate(sorted(source.iterdir())):
        shutil.copy(path, folder / "blobs" / f"{number:040x}")
        (snapshot / path.name).symlink_to(Path("../../blobs") / f"{number:040x}")


class Hub(BaseHTTPRequestHandler):
    """The few addresses of a hub that a snapshot is fetched from."""

    def __init__(self, source: Path, asked: list[str], *arguments: object) -> None:
        self.source, self.asked = source, asked
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        self.asked.append(self.path)
        names = [path.name for path in sorted(self.source.iterdir())]
        path = self.source / self.path.rpartition("/")[2].partition("?")[0]
        if self.path.startswith(f"/api/models/{NAME}/revision/"):
            siblings = [{"rfilename": name} for name in names]
            content = json.dumps({"id": NAME, "sha": COMMIT, "siblings": siblings}).encode()
        elif self.path.startswith(f"/api/models/{NAME}/tree/"):
            tree = [
                {"type": "file", "path": name, "size": (self.source / name).stat().st_size,
                 "oid": f"{number:040x}"}
                for number, name in enumerate(names)
            ]  # fmt: skip
            content = json.dumps(tree).encode()
        elif "/resolve/" in self.path and path.is_file():
            content = path.read_bytes()
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("ETag", f'"{names.index(path.name) if path.is_file() else 0:040x}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if with_body:
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Says nothing."""


@pytest.fixture
def hub(encoders: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The paths that were requested of a hub on this machine."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, encoders / "bert", asked))
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
