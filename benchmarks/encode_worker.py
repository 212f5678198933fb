"""One way to encode, as a worker of `encode.py`: `text|pictures WAY MODEL INPUT GRAPHS`.

Jobs are `whole`, from texts or JPEGs in memory to features, and `forward`, the network alone over
a tenth of them, prepared before.
"""

import io
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from memory_pictures import Pictures
from turns import Job, serve

MAX_TOKENS = 64
SHOWN = 32  # features that are compared
SHARE = 10  # of the texts or pictures, that the network alone is timed over
BACKENDS = {"ONNX": "onnx", "ONNX int8": "onnx", "OpenVINO": "openvino"}


def peer_jobs(way: str, folder: Path, texts: Sequence[str], graphs: Path) -> dict[str, Job]:
    """sentence-transformers at its defaults, in bf16, or by another back end."""
    import torch
    from sentence_transformers import SentenceTransformer

    backend: Any = BACKENDS.get(way, "torch")
    options: dict[str, Any] = {}
    if way == "bf16":
        options = {"torch_dtype": torch.bfloat16}
    elif way == "ONNX int8":
        options = {"file_name": _quantised(folder, graphs)}
        folder = graphs / "int8"
    model = SentenceTransformer(str(folder), backend=backend, model_kwargs=options)
    model.max_seq_length = MAX_TOKENS
    jobs: dict[str, Job] = {"whole": lambda: _shown(model.encode(texts))}
    if backend == "torch":
        some = sorted(texts[::SHARE], key=len)
        batches = [model.preprocess(some[at : at + 32]) for at in range(0, len(some), 32)]

        def forward() -> None:
            with torch.inference_mode():
                for batch in batches:
                    model(dict(batch))

        jobs["forward"] = forward
    model.encode(texts[:64])
    return jobs


def _quantised(folder: Path, graphs: Path) -> str:
    """The name of the graph in 8-bit integers, which is made below `graphs/int8`."""
    from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model

    whole = SentenceTransformer(str(folder), backend="onnx")
    whole.save_pretrained(str(graphs / "int8"))
    export_dynamic_quantized_onnx_model(whole, "avx512_vnni", str(graphs / "int8"))
    return "onnx/model_qint8_avx512_vnni.onnx"


def fastembed_jobs(folder: Path, texts: Sequence[str], graphs: Path) -> dict[str, Job]:
    """fastembed, over a graph that was exported for it."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    dim = json.loads((folder / "config.json").read_text())["hidden_size"]
    TextEmbedding.add_custom_model(
        model="these/weights", pooling=PoolingType.MEAN, normalization=True,
        sources=ModelSource(hf="these/weights"), dim=dim, model_file="model.onnx",
    )  # fmt: skip
    model = TextEmbedding("these/weights", specific_model_path=str(graphs / "plain"))
    list(model.embed(texts[:64]))
    return {"whole": lambda: _shown(np.stack(list(model.embed(texts))))}


def our_text_jobs(way: str, folder: Path, texts: Sequence[str], graphs: Path) -> dict[str, Job]:
    """What `embed` runs, in a precision."""
    from prodmatch.encoders.batches import map_in_lanes
    from prodmatch.encoders.device import CPU, Compute
    from prodmatch.encoders.quickest import open_text_encoder
    from prodmatch.model.preprocessing import TextSpec

    compute = Compute(CPU.device, way)  # type: ignore[arg-type]
    encoder = open_text_encoder(folder, TextSpec(max_tokens=MAX_TOKENS), compute, graphs)
    ids = encoder.tokenize(texts[::SHARE])
    batches = []
    for members, length in encoder._batches(ids, encoder.rows):
        batch = np.zeros((encoder.rows, length), np.int64)
        for position, row in enumerate(members):
            batch[position, : len(ids[row])] = ids[row]
        mask = (batch != 0).astype(np.int64)
        mask[:, 0] = 1
        batches.append((batch, mask))

    def forward() -> None:
        list(map_in_lanes(lambda batch: encoder.run(*batch), batches, CPU.device))

    encoder.encode(texts[:64])
    return {"whole": lambda: _shown(encoder.encode(texts)), "forward": forward}


def loader_jobs(folder: Path, data: Sequence[bytes]) -> dict[str, Job]:
    """A DataLoader with a process on each core, and torchvision's network in float32."""
    import torch
    import torchvision
    from PIL import Image
    from safetensors.torch import load_file
    from torch.utils.data import DataLoader
    from torchvision.transforms import v2

    network = torchvision.models.get_model(folder.name, weights=None)
    network.load_state_dict(load_file(folder / "model.safetensors"))
    network.fc = torch.nn.Identity()
    network.eval()
    scale = v2.ToDtype(torch.float32, scale=True)
    usual = v2.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    prepare = v2.Compose([v2.Resize(256), v2.CenterCrop(224), v2.ToImage(), scale, usual])

    class Decoded(torch.utils.data.Dataset[torch.Tensor]):
        def __len__(self) -> int:
            return len(data)

        def __getitem__(self, position: int) -> torch.Tensor:
            pixels: torch.Tensor = prepare(Image.open(io.BytesIO(data[position])).convert("RGB"))
            return pixels

    decoded = Decoded()
    prepared = torch.stack([decoded[position] for position in range(0, len(data), SHARE)])

    @torch.inference_mode()
    def whole() -> list[list[float]]:
        loader = DataLoader(decoded, 64, num_workers=len(os.sched_getaffinity(0)))
        return _shown(torch.cat([network(batch) for batch in loader]).numpy())

    @torch.inference_mode()
    def forward() -> None:
        for batch in prepared.split(64):
            network(batch)

    forward()
    return {"whole": whole, "forward": forward}


def our_picture_jobs(way: str, folder: Path, data: Sequence[bytes], graphs: Path) -> dict[str, Job]:
    """What `embed` runs, in a precision: decoder, network, and the store of features."""
    from prodmatch.embedding.encoding.encode import encode_pictures
    from prodmatch.encoders.device import CPU, Compute
    from prodmatch.encoders.quickest import open_image_encoder
    from prodmatch.model.preprocessing import ImageSpec
    from prodmatch.storage.features import FeatureStore, content_key

    spec = ImageSpec(folder.name, fit="crop", resize_pixels=256, crop_pixels=224,
                     interpolation="bilinear")  # fmt: skip
    encoder = open_image_encoder(folder, spec, Compute(CPU.device, way), graphs)  # type: ignore[arg-type]
    keys, rows = [content_key(each) for each in data], np.arange(len(data))

    def whole() -> None:
        with tempfile.TemporaryDirectory() as store:
            encode_pictures(Pictures(data), rows, keys, encoder, FeatureStore(Path(store)))  # type: ignore[arg-type]

    pixels = np.random.default_rng(0).integers(
        0, 255, (-(-len(data) // SHARE), 224, 224, 3), dtype=np.uint8
    )
    encoder.encode(pixels[:16])
    return {"whole": whole, "forward": lambda: encoder.encode(pixels) is None}


def _shown(features: Any) -> list[list[float]]:
    """The first features, rounded."""
    return [[round(float(each), 5) for each in row] for row in features[:SHOWN]]


def open_jobs() -> dict[str, Job]:
    """The jobs of the way named."""
    kind, way, folder, source, graphs = sys.argv[1:]
    owner, _, name = way.partition(", ")
    where = Path(folder), Path(graphs)
    if kind == "text":
        texts = json.loads(Path(source).read_text())
        if owner == "ours":
            return our_text_jobs(name, where[0], texts, where[1])
        if owner == "fastembed":
            return fastembed_jobs(where[0], texts, where[1])
        return peer_jobs(name, where[0], texts, where[1])
    import pyarrow.parquet as pq

    data = pq.read_table(source)["image"].to_pylist()
    if owner == "ours":
        return our_picture_jobs(name, where[0], data, where[1])
    return loader_jobs(where[0], data)


if __name__ == "__main__":
    serve(open_jobs)
