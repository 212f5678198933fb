"""Graphs of the shipped encoders are written from the package, as torch would export them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prodmatch.encoders import graphs
from prodmatch.encoders.graphs import OnnxImageEncoder, OnnxTextEncoder
from prodmatch.encoders.networks.image import ImageEncoder
from prodmatch.encoders.networks.text import TextEncoder
from prodmatch.encoders.quickest import ready_graph
from prodmatch.model.description import Model, open_model
from prodmatch.storage.vectors import normalise

TEXTS = ["red t-shirt", "oak bookcase with five shelves, 180 cm", "кресло", ""]


@pytest.fixture(scope="module")
def compact() -> Model:
    return open_model("compact")


def test_shipped_graphs_give_the_features_of_torch(compact: Model, tmp_path: Path) -> None:
    pair = compact.encoders
    text = graphs.graph_path(tmp_path, pair.text_folder, pair.text)
    image = graphs.graph_path(tmp_path, pair.image_folder, pair.image)
    assert graphs.is_ready(text, pair.text_folder)
    assert graphs.is_ready(image, pair.image_folder)
    found = OnnxTextEncoder(pair.text_folder, pair.text, text).encode(TEXTS)
    exact = TextEncoder(pair.text_folder, pair.text).encode(TEXTS)
    np.testing.assert_allclose(found, exact, atol=1e-4)
    side = pair.image.crop_pixels
    pixels = np.random.default_rng(0).integers(0, 255, (3, side, side, 3), dtype=np.uint8)
    exact = ImageEncoder(pair.image_folder, pair.image).encode(pixels)
    found = OnnxImageEncoder(pair.image, image).encode(pixels)
    assert (normalise(found) * normalise(exact)).sum(axis=1).min() > 0.9999


def test_they_are_written_without_torch_and_name_no_path(compact: Model, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from prodmatch.encoders import graphs\n"
        "from prodmatch.model.description import open_model\n"
        "pair = open_model('compact').encoders\n"
        f"graph = graphs.graph_path(Path({str(tmp_path)!r}), pair.image_folder, pair.image)\n"
        "print(graphs.is_ready(graph, pair.image_folder), 'torch' in sys.modules, graph)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    ready, loaded, graph = done.stdout.split()
    assert (ready, loaded) == ("True", "False")
    assert b"site-packages" not in Path(graph).read_bytes()


def test_a_graph_whose_weights_would_be_others_is_exported(model: Model, tmp_path: Path) -> None:
    pair = model.encoders
    graph = graphs.graph_path(tmp_path / "store", pair.text_folder, pair.text)
    shipped = next((Path(graphs.__file__).parent.parent / "models/graphs").glob("text-*"))
    shutil.copytree(shipped, tmp_path / "shipped" / graph.parent.name)
    described = {"size": 4, "digest": "0" * 64, "tensors": []}
    (tmp_path / "shipped" / graph.parent.name / "weights.json").write_text(json.dumps(described))
    assert not graphs.is_ready(graph, pair.text_folder, tmp_path / "shipped")
    assert not graph.exists()
    made = ready_graph(pair.text_folder, pair.text, tmp_path / "store")
    assert OnnxTextEncoder(pair.text_folder, pair.text, made).encode(["red"]).any()


@pytest.mark.slow
def test_the_recipe_makes_what_is_shipped(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path.insert(0, 'recipes/compact'); from pathlib import Path\n"
        f"import graphs; graphs.write_shipped_graphs(Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.glob("*/*"))
    assert made == sorted(path.relative_to(graphs.SHIPPED) for path in graphs.SHIPPED.glob("*/*"))
    for path in made:
        assert (tmp_path / path).read_bytes() == (graphs.SHIPPED / path).read_bytes()
