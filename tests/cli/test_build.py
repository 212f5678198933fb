"""`build` is `embed` and `index` in one."""

from pathlib import Path

from small import products, run, write

from prodmatch.model.description import Model


def test_build_publishes_what_embed_and_index_do(store: Path, model: Model, tmp_path: Path) -> None:
    catalogue = write(tmp_path / "c.parquet", products(12))
    options = ["--store", store, "--model", model.folder, "--workers", "0", "--quiet"]
    done = run("build", catalogue, *options, "--type", "sq8", "--weights", "text=1")
    assert done.code == 0, done.err
    assert len(done.out.splitlines()) == 1
    assert (done.last["rows"], done.last["embedded"], done.last["rejected"]) == (12, 12, 0)
    assert (done.last["generation"], done.last["products"], done.last["type"]) == (1, 12, "SQ8")
    assert done.last["weights"] == {"lexical": 0.0, "text": 1.0, "image": 0.0}
    again = run("index", "--store", store, "--type", "sq8", "--weights", "text=1")
    assert again.last["recall_at_10"] == done.last["recall_at_10"]
    assert run("verify", "--store", store, "--generation", "1").code == 0


def test_build_has_every_option_of_embed_and_index() -> None:
    def options(command: str) -> set[str]:
        words = run(command, "--help").out.split()
        return {word.rstrip(",") for word in words if word.startswith("--")}

    wanted = options("embed") | options("index")
    assert wanted - options("build") == {"--dry-run"}
