"""The precision of a run, named, remembered, or still to be chosen by measurement."""

from pathlib import Path

from prodmatch.embedding.plan import FeaturePlan
from prodmatch.encoders.device import Precision, choose_device, choose_precision, precision_of_name
from prodmatch.errors import DamagedError, MismatchError
from prodmatch.storage.settings import read_settings

MEASURED_CONTENTS = 20_000  # texts and pictures to encode; of fewer it costs more than it saves


def named_precision(name: str, device: str, store: Path) -> Precision:
    """The one of that name; of `auto` the store's, so that machines agree, else one unmeasured.

    Args:
        device: `auto`, `cpu` or `cuda`; looked for only where the precision depends on it.

    Raises:
        ModelError: there is no such precision, or `cuda` was given and there is none.
        NotInstalledError: `cuda` was given and torch is not installed.
    """
    found = _remembered_precision(store) or name if name == "auto" else name
    if found != "auto" and device != "cuda":
        return precision_of_name(found)
    return choose_precision(found, choose_device(device))


def _remembered_precision(store: Path) -> str | None:
    try:
        remembered = read_settings(store)
    except (DamagedError, MismatchError):  # reported where it is written again
        return None
    return None if remembered is None else remembered.precision


def is_worth_measuring(plan: FeaturePlan, name: str, store: Path) -> bool:
    """Whether nothing is chosen yet, and so much is to be encoded that measuring saves time."""
    return (
        name == "auto"
        and not _remembered_precision(store)
        and plan.contents_to_encode >= MEASURED_CONTENTS
    )
