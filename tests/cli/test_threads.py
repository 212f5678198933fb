"""Threads of libraries: a container's limit, unless the user's environment says otherwise."""

import os

import pytest

from prodmatch_cli.terminal.threads import THREAD_VARIABLES, set_threads


def test_threads_are_set_again_but_never_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    for count in (4, 1):
        set_threads(count)
        found = [os.environ[name] for name in THREAD_VARIABLES]
        assert found == [str(count), str(count), "7"]
