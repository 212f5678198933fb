"""Speed of encoding next to its peers, in turn (`make bench-encode`).

The same texts and pictures through the same weights: sentence-transformers by each of its back
ends, fastembed, and a DataLoader, each in an environment of its own; printed are medians of items
a second, the ratio to the first, and the share of the machine's peak. The weights of BERT-base
and the ResNets are random: only speed counts.
"""

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import torchvision
import transformers
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel, PreTrainedModel
from turns import PEERS, Taken, start_all, take_turns, write_results

from prodmatch.encoders.device import CPU, has_bf16, has_int8
from prodmatch.model.description import open_model
from prodmatch.model.onnx_session import Session, open_session

WORKER = Path(__file__).with_name("encode_worker.py")
MAX_TOKENS = 64
SHARE = 10  # as in the worker
PEER_WAYS = {  # the environment of each
    "sentence-transformers, defaults": "plain",
    "sentence-transformers, bf16": "plain",
    "sentence-transformers, ONNX": "onnx",
    "sentence-transformers, ONNX int8": "onnx",
    "sentence-transformers, OpenVINO": "openvino",
    "fastembed": "fastembed",
}


def draw_picture(seed: int) -> bytes:
    """A JPEG of 1,000 px with large shapes and fine grain."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
    large = np.asarray(coarse.resize((1000, 1000), Image.Resampling.BICUBIC), np.int16)
    grain = rng.integers(-12, 13, (1000, 1000, 1), dtype=np.int16)
    out = io.BytesIO()
    Image.fromarray(np.clip(large + grain, 0, 255).astype(np.uint8)).save(out, "JPEG")
    return out.getvalue()


def save_pictures(count: int, path: Path) -> None:
    """So many pictures, drawn once."""
    if path.exists() and pq.ParquetFile(path).metadata.num_rows == count:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor() as pool:
        drawn = list(pool.map(draw_picture, range(count), chunksize=20))
    pq.write_table(pa.table({"image": pa.array(drawn, pa.binary())}), path)


def our_ways() -> list[str]:
    """The precisions that the processor has."""
    found = {"float32": True, "bf16": has_bf16(CPU.device), "int8": has_int8(CPU.device)}
    return [f"ours, {name}" for name, has in found.items() if has]


def measure_peak(size: int = 1536) -> dict[str, float]:
    """GFLOP/s of a product of matrices in each precision, the best of six (float32: of both)."""
    left, right = torch.randn(2, size, size)
    half = left.bfloat16(), right.bfloat16()
    whole = (9 * left).char(), (9 * right).char()
    product = onnx_product(right.numpy())
    kinds = {
        "float32": lambda: left @ right,
        "float32, onnxruntime": lambda: product.run(None, {"x": left.numpy()}),
        "bf16": lambda: half[0] @ half[1],
        "int8": lambda: torch._int_mm(*whole),
    }
    found: dict[str, float] = {}
    for name, multiply in kinds.items():
        precision = name.split(",")[0]
        if f"ours, {precision}" not in our_ways():
            continue
        seconds = []
        for _ in range(6):
            started = time.perf_counter()
            multiply()
            seconds.append(time.perf_counter() - started)
        found[precision] = max(found.get(precision, 0.0), 2 * size**3 / min(seconds) / 1e9)
    return found


def onnx_product(weight: np.ndarray) -> Session:
    """A product by onnxruntime, which is the quicker one where MKL does not know the processor."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, weight.shape) for name in "xy"]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    held = numpy_helper.from_array(weight, "w")
    graph = helper.make_graph([node], "product", ends[:1], ends[1:], [held])
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "product.onnx"
        path.write_bytes(helper.make_model(graph, ir_version=10).SerializeToString())
        return open_session(path, long_lived=True)


def text_gflop(folder: Path, texts: Sequence[str]) -> float:
    """What a text costs in the mean, padding not counted."""
    config = json.loads((folder / "config.json").read_text())
    width, inner = config["hidden_size"], config["intermediate_size"]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
    lengths = [len(row) for row in rows]
    linear = 2 * (4 * width * width + 2 * width * inner)
    flop = sum(length * linear + 4 * length * length * width for length in lengths)
    return float(config["num_hidden_layers"] * flop / len(lengths) / 1e9)


def picture_gflop(folder: Path) -> float:
    network = torchvision.models.get_model(folder.name, weights=None).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(torch.zeros(1, 3, 224, 224))
    return counter.get_total_flops() / 1e9


def export_plain(folder: Path, out: Path) -> None:
    """The graph and the tokenizer that fastembed reads."""
    model = AutoModel.from_pretrained(folder)
    AutoTokenizer.from_pretrained(folder).save_pretrained(out)
    (out / "config.json").write_bytes((folder / "config.json").read_bytes())
    (out / "special_tokens_map.json").write_text(
        json.dumps({"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"})
    )
    ids = torch.randint(5, 50, (2, 8))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    dims = {0: torch.export.Dim("rows"), 1: torch.export.Dim("tokens")}
    with contextlib.redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            LastStates(model).eval(), tuple(inputs.values()), input_names=list(inputs),
            output_names=["last_hidden_state"], dynamic_shapes=(dims, dims), dynamo=True,
        )  # fmt: skip
    assert program is not None
    program.save(out / "model.onnx")


class LastStates(torch.nn.Module):
    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        return found


def compete(
    kind: str, folder: Path, source: Path, ways: Mapping[str, Path | str], rounds: int
) -> tuple[dict[str, dict[str, Taken]], dict[str, str]]:
    """Both jobs of all ways, and which could not take part."""
    with tempfile.TemporaryDirectory() as name:
        graphs = Path(name)
        if "fastembed" in ways and Path(ways["fastembed"]).exists():
            export_plain(folder, graphs / "plain")
        commands = {
            way: [python, WORKER, kind, way, folder, source, graphs] for way, python in ways.items()
        }
        contestants, missing = start_all(commands)
        try:
            found = {job: take_turns(contestants, job, rounds) for job in ("whole", "forward")}
        finally:
            for each in contestants:
                each.close()
    return found, missing


def report(
    name: str, count: int, gflop: float, found: Mapping[str, Mapping[str, Taken]]
) -> list[dict[str, Any]]:
    """Prints and gives a row for each way."""
    peak, rows = measure_peak(), []
    first: dict[str, float] = {}
    for way, whole in found["whole"].items():
        forward = found["forward"].get(way)
        precision = next((each for each in ("bf16", "int8") if each in way), "float32")
        row: dict[str, Any] = {"work": name, "way": way, "a second": count / whole.median}
        row["seconds"] = list(whole.seconds)
        row["ratio"] = row["a second"] / first.setdefault("whole", row["a second"])
        row["cosine"] = _cosine(next(iter(found["whole"].values())).found, whole.found)
        if forward:
            rate = -(-count // SHARE) / forward.median
            row["forward a second"] = rate
            row["forward ratio"] = rate / first.setdefault("forward", rate)
            row["share of peak"] = rate * gflop / peak.get(precision, float("nan"))
            row["share of peak, whole"] = row["a second"] * gflop / peak[precision]
        rows.append(row)
        sys.stdout.write(_line(row))
        sys.stdout.flush()
    return rows


def _line(row: Mapping[str, Any]) -> str:
    forward = row.get("forward a second")
    alone = f"{forward:9.1f}/s{row['share of peak']:7.0%} of peak" if forward else ""
    work = row["work"].split(",")[0]
    return f"{work:12}{row['way']:34}{row['a second']:9.1f}/s{row['ratio']:8.2f}x{alone}\n"


def _cosine(one: Any, other: Any) -> float | None:
    """The least cosine of features that both gave."""
    if not one or not other or len(one[0]) != len(other[0]):
        return None
    left, right = np.array(one), np.array(other)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(1) / lengths).min())


def read_texts(path: Path, count: int) -> list[str]:
    """Different texts of a catalogue, from all over it."""
    names = [name for name in pq.read_schema(path).names if name in ("title", "description")]
    columns = pq.read_table(path, columns=names).to_pylist()
    texts = list(dict.fromkeys(". ".join(filter(None, row.values())) for row in columns))
    texts = [text for text in texts if text]
    return texts[:: max(1, len(texts) // count)][:count]


def save_encoder(model: PreTrainedModel, tokenizer: Path, out: Path) -> None:
    """Weights in float32: in float16, as we ship them, a peer would compute in float16, slowly."""
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(out)


def text_rows(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    texts = read_texts(options.texts, options.text_count)
    minilm, base = folder / "minilm", folder / "base"
    shipped = open_model("compact").encoders.text_folder
    torch.manual_seed(0)
    save_encoder(AutoModel.from_pretrained(shipped, dtype=torch.float32), shipped, minilm)
    save_encoder(BertModel(BertConfig()), shipped, base)
    ours = dict.fromkeys(our_ways(), sys.executable)
    peers = {way: PEERS / name / "bin/python" for way, name in PEER_WAYS.items()}
    rows = []
    for name, encoder, some in (
        ("MiniLM-L6", minilm, texts),
        ("BERT-base", base, texts[:: options.base_step]),
    ):
        if options.only not in name:
            continue
        source = folder / "texts.json"
        source.write_text(json.dumps(some))
        words = statistics.mean(len(text.split()) for text in some)
        sys.stdout.write(f"{len(some)} texts of {words:.0f} words\n")
        found, missing = compete("text", encoder, source, {**peers, **ours}, options.rounds)
        label = f"{name}, {len(some)} texts of {words:.0f} words"
        rows += report(label, len(some), text_gflop(encoder, some), found)
        rows += [{"work": label, "way": way, "missing": why} for way, why in missing.items()]
    return rows


def picture_rows(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for architecture, share in (("resnet18", 1), ("resnet50", options.deep_share)):
        if options.only not in architecture:
            continue
        count = round(options.picture_count * share)
        source = Path(f"build/bench/pictures_{count}.parquet")
        save_pictures(count, source)
        torch.manual_seed(0)
        network = torchvision.models.get_model(architecture, weights=None)
        (folder / architecture).mkdir()
        save_file(network.state_dict(), folder / architecture / "model.safetensors")
        ways = ["DataLoader, float32", *our_ways()]
        found, _ = compete(
            "pictures", folder / architecture, source, dict.fromkeys(ways, sys.executable),
            options.rounds,
        )  # fmt: skip
        label = f"{architecture}, {count} JPEGs"
        rows += report(label, count, picture_gflop(folder / architecture), found)
    return rows


def main() -> None:
    """Prints a line for each way to encode."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, required=True, help="a catalogue with titles")
    parser.add_argument("--text-count", type=int, default=3000)
    parser.add_argument("--base-step", type=int, default=10, help="one text of so many, BERT-base")
    parser.add_argument("--picture-count", type=int, default=1000)
    parser.add_argument("--deep-share", type=float, default=0.3, help="of the pictures, ResNet-50")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--json", type=Path, help="write the figures for results.py")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    before, peak = os.getloadavg()[0], measure_peak()
    for name, rate in peak.items():
        sys.stdout.write(f"{'matrices':12}{name:34}{rate:9.0f} GFLOP/s\n")
    with tempfile.TemporaryDirectory() as name:
        rows = text_rows(options, Path(name)) + picture_rows(options, Path(name))
    content = {"peak": peak, "load before": round(before, 1), "rows": rows}
    write_results(options.json, "encode", content)


if __name__ == "__main__":
    main()
