"""What a store is made with: compared with what it was made with before, and remembered."""

from dataclasses import replace
from pathlib import Path

from prodmatch.catalogue.reader import Catalogue
from prodmatch.errors import DamagedError, MismatchError, StoreError
from prodmatch.model.description import Model
from prodmatch.storage.generations import open_generation
from prodmatch.storage.places.addresses import absolute_place
from prodmatch.storage.settings import StoreSettings, read_settings, write_settings


def remember_settings(catalogue: Catalogue, model: Model, store: Path, precision: str) -> list[str]:
    """Writes what the store is made with from now on, and gives what of it is another."""
    settings = _settings(catalogue, model, precision)
    try:
        before = read_settings(store)
    except (DamagedError, MismatchError) as error:
        write_settings(store, settings)
        return [f"{error} Written again."]
    if before is not None:  # what `index` is given
        synonyms, groups, language = before.synonyms, before.groups, before.language
        settings = replace(settings, synonyms=synonyms, groups=groups, language=language)
    if before == settings:
        return []
    write_settings(store, settings)
    if before is None:
        return []
    left_out = [name for name in settings.leave_out if name not in before.leave_out]
    older = [
        f"column {name!r} is left out from now on; what was written before holds it until "
        "`gc(keep=1, minutes=0)` has removed it"
        for name in left_out
    ]
    return [*older, *(f"from now on: {text}" for text in before.differences(settings))]


def name_other_model(model: Model, store: Path) -> list[str]:
    """That what is published has another model: one that was gone back to, or not trained anew."""
    try:
        published = open_generation(store)
    except (DamagedError, MismatchError, StoreError):
        return []
    if published.manifest["model_fingerprint"] == model.fingerprint:
        return []
    return [
        f"{model.label} is another than that of the published generation {published.number}, "
        f"{published.manifest['model']!r}; `model` names the one to stay with"
    ]


def name_differences(catalogue: Catalogue, model: Model, store: Path, precision: str) -> list[str]:
    """What would be another than the store was made with; writes nothing."""
    try:
        before = read_settings(store)
    except (DamagedError, MismatchError) as error:
        return [str(error)]
    return before.differences(_settings(catalogue, model, precision)) if before else []


def _settings(catalogue: Catalogue, model: Model, precision: str) -> StoreSettings:
    options = catalogue.options
    return StoreSettings(
        model=model.reference,
        catalogue=absolute_place(catalogue.path),
        columns=options.columns,
        text_columns=options.text_columns,
        image_root=None if options.image_root is None else absolute_place(options.image_root),
        precision=precision,
        leave_out=tuple(sorted({*options.leave_out, *options.left_out_before})),
    )
