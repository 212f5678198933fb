"""The command `serve`."""

from ipaddress import ip_address
from pathlib import Path

import click

from prodmatch.columns.name_lists import split_names
from prodmatch.engines.processors import count_processors
from prodmatch_cli.options.shared import STORE, picture_options
from prodmatch_cli.terminal.messages import print_warnings
from prodmatch_cli.terminal.threads import set_threads


@click.command()
@STORE
@click.option("--host", default="127.0.0.1", help="Address to listen at.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    help="Port to listen at; 0 for any that is free.",
)
@click.option(
    "--threads",
    type=click.IntRange(1, 256),
    help="Searches at once.  [default: as many as there are processors]",
)
@click.option(
    "--facets",
    metavar="COLUMN,...",
    help="Columns that the search page counts.  [default: some of few values]",
)
@click.option("--access-log", is_flag=True, help="Log each request, with what it searches for.")
@picture_options
def serve(
    store: Path,
    host: str,
    port: int,
    threads: int | None,
    facets: str | None,
    access_log: bool,
    catalogue: Path | str | None,
    columns: str | None,
    image_root: Path | str | None,
) -> None:
    """Answer over HTTP: /search, a search page at /, and what docs/service.md lists.

    It goes over to new generations by itself. There is no authentication: put it behind a proxy.
    """
    processors = count_processors()
    threads = threads or processors
    set_threads(max(1, processors // threads))
    from prodmatch.catalogue.remembered import open_remembered
    from prodmatch.service.app import ServiceSettings, make_app
    from prodmatch.service.server import open_socket
    from prodmatch.service.server import serve as run_server
    from prodmatch_cli.options.reading import read_options

    options = read_options(columns, image_root)
    if catalogue is not None:
        open_remembered(store, catalogue, options)  # refused at once if it cannot be read
    settings = ServiceSettings(
        threads=threads,
        open_catalogue=lambda: open_remembered(store, catalogue, options, fetch="nothing"),
        facets=None if facets is None else split_names(facets),
        access_log=access_log,
    )
    listener = open_socket(host, port)
    if not ip_address(listener.getsockname()[0]).is_loopback:
        print_warnings([f"whoever reaches {host} can search: there is no authentication"])
    run_server(make_app(store, settings), listener)
