"""What features depend on, as a name for them: an encoder's files, its spec, the precision."""

import json
from pathlib import Path

from prodmatch.encoders.precisions import Precision, picture_precision
from prodmatch.model.preprocessing import ImageSpec, TextSpec
from prodmatch.storage.atomic import digest_bytes, digest_file

FORMAT = b"features-3"  # raise it when the same files would give other features
OF_QUERIES = ("query_prefix", "query_words")  # fields of a spec that products' texts do not pass


def text_fingerprint(folder: Path, spec: TextSpec, precision: Precision = "float32") -> str:
    """What text features depend on, as 64 hexadecimal digits: files, pooling, prefix, precision."""
    kept = {name: value for name, value in spec.as_dict().items() if name not in OF_QUERIES}
    return _fingerprint(folder, kept, precision)


def image_fingerprint(folder: Path, spec: ImageSpec, precision: Precision = "float32") -> str:
    """What picture features depend on, as 64 hexadecimal digits: weights, spec, precision."""
    return _fingerprint(folder, spec.as_dict(), picture_precision(precision))


def _fingerprint(folder: Path, spec: dict[str, object], precision: str) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    parts = [FORMAT, json.dumps(spec, sort_keys=True).encode()]
    for path in files:
        parts += [path.relative_to(folder).as_posix().encode(), digest_file(path).encode()]
    if precision != "float32":  # which had no name of its own before there was another
        parts.append(precision.encode())
    return digest_bytes(*parts)
