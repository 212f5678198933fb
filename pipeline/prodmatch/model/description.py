"""A model directory: two encoders, their heads, a calibration and a card."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path

from prodmatch.errors import ModelError, require_type
from prodmatch.model.calibration import Calibration
from prodmatch.model.heads import Heads
from prodmatch.model.preprocessing import ImageSpec, TextSpec, read_spec
from prodmatch.storage.atomic import digest_bytes, file_digests, write_json

FORMAT = 4  # raise it when the same files would give other parts
USUAL_WEIGHTS = {"lexical": 0.2, "text": 0.4, "image": 0.4}  # of the signals
MOST_WEIGHT = 1e6  # of a signal
SHIPPED = Path(__file__).parent.parent / "models"


@dataclass(frozen=True)
class EncoderPair:
    """Two encoders on disk and how they are used; features depend on these alone."""

    text_folder: Path
    image_folder: Path
    text: TextSpec
    image: ImageSpec


@dataclass(frozen=True)
class ModelDescription:
    """What `model.json` says."""

    name: str
    text: TextSpec
    image: ImageSpec
    calibration: Calibration = field(default_factory=Calibration)
    weights: Mapping[str, float] = field(default_factory=lambda: {**USUAL_WEIGHTS})


def description_fields(description: ModelDescription) -> dict[str, object]:
    """Names and values, for JSON."""
    return {"format": FORMAT, **asdict(description)}


@dataclass(frozen=True)
class Model:
    """A model on disk, read and checked but for its encoders' weights.

    The files: `model.json`, `text/` (Hugging Face layout), `image/model.safetensors` (a ResNet,
    or an EfficientNet-Lite0 and then `image/classes.txt`), `heads.safetensors`, `README.md`.
    """

    folder: Path
    description: ModelDescription
    heads: Heads

    @property
    def encoders(self) -> EncoderPair:
        """The two frozen encoders."""
        text, image = self.description.text, self.description.image
        return EncoderPair(self.folder / "text", self.folder / "image", text, image)

    @property
    def reference(self) -> str:
        """What `open_model` opens it by from anywhere: a shipped model's name, or a directory."""
        shipped = self.folder.parent == SHIPPED
        return self.folder.name if shipped else str(self.folder.absolute())

    @property
    def label(self) -> str:
        """The model's name and the start of its fingerprint, for messages."""
        return f"the model {self.description.name!r} ({self.fingerprint[:12]})"

    @cached_property
    def fingerprint(self) -> str:
        """What embeddings and answers depend on, as 64 hexadecimal digits."""
        return digest_bytes(*file_digests(self.folder))


def is_on_disk(name: str) -> bool:
    """Whether it is a shipped model's name, or that of something on this machine's disk."""
    return name in list_shipped() or Path(name).exists()


def list_shipped() -> list[str]:
    """The names of the models in the package."""
    return sorted(path.parent.name for path in SHIPPED.glob("*/model.json"))


def open_model(name: Path | str) -> Model:
    """The shipped model of that name, or the model in that directory.

    Raises:
        ModelError: there is neither, or it is not a model; says what was looked for.
    """
    remedy = "Give the name of a shipped model, or the path of a directory."
    require_type(name, str | PathLike, "`model`", remedy, ModelError)
    shipped = list_shipped()
    folder = SHIPPED / name if str(name) in shipped else Path(name)
    path = folder / "model.json"
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelError(
            f"{name}: is neither a shipped model ({', '.join(shipped) or 'none'}) nor a directory "
            "with a model.json. Give where it is now, or make one with "
            "`train(catalogue, out=DIR)`, which takes encoders of a hub by name (`text_encoder`, "
            "`download`)."
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}).") from error
    return Model(folder, read_description(content, path), Heads.open(folder / "heads.safetensors"))


def read_description(content: object, path: Path) -> ModelDescription:
    """The description in a parsed `model.json`.

    Raises:
        ModelError: names the file and what is missing.
    """
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or found != FORMAT:
        raise ModelError(
            f"{path}: 'format' must be {FORMAT}, not {found!r}: it is of another version. "
            "Train the model again; where this is in a store, embed and index the catalogue again."
        )
    try:
        return ModelDescription(
            name=_read_name(content["name"], f"{path}: 'name'"),
            text=read_spec(TextSpec, content["text"], f"{path}: 'text'"),
            image=read_spec(ImageSpec, content["image"], f"{path}: 'image'"),
            calibration=Calibration(
                **_read_numbers(content["calibration"], ("scale", "bias"), f"{path}: 'calibration'")
            ),
            weights=_read_weights(content["weights"], f"{path}: 'weights'"),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(f"{path}: is not a model's description ({error!r}).") from error


def _read_name(found: object, place: str) -> str:
    if not isinstance(found, str) or not found.strip():
        raise ModelError(f"{place} must be text, found {found!r}.")
    return found


def _read_weights(found: Mapping[str, object], place: str) -> dict[str, float]:
    values = _read_numbers(found, tuple(USUAL_WEIGHTS), place)
    least, most = min(values.values()), max(values.values())
    if least < 0 or most > MOST_WEIGHT or not values["text"] + values["image"]:
        raise ModelError(
            f"{place} are {values}; none may be negative or above {MOST_WEIGHT:g}, and text or "
            "image must count."
        )
    return values


def _read_numbers(
    found: Mapping[str, object], names: tuple[str, ...], place: str
) -> dict[str, float]:
    """The numbers of these names, which must be all there are."""
    values = {name: float(str(found[name])) for name in names}
    if set(found) != set(names) or not all(map(math.isfinite, values.values())):
        raise ModelError(f"{place} must be numbers named {', '.join(names)}; found {found}.")
    return values


def write_description(folder: Path, description: ModelDescription) -> None:
    """Writes `model.json` into a model directory."""
    write_json(folder / "model.json", description_fields(description))
