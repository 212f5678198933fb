"""Processors: no more than a container's limit, however its groups are mounted."""

import os
from pathlib import Path

import pytest

from prodmatch.engines.processors import count_processors

ALL = len(os.sched_getaffinity(0))


def make_groups(root: Path, groups: str, files: dict[str, str]) -> Path:
    """A file system with the groups of a process, and files of limits below `sys/fs/cgroup`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, content in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}),
        ("0::/\n", {"cpu.max": "30000 100000\n"}),  # rounded up
        ("0::/job.service\n", {"job.service/cpu.max": "100000 100000\n"}),
        ("0::/batch/night/job\n", {"batch/cpu.max": "100000 100000\n"}),
        ("0::/../../docker/0a1b\n", {"cpu.max": "100000 100000\n"}),  # the host's name for it
        (
            "5:cpu,cpuacct:/docker/0a1b\n4:memory:/docker/0a1b\n0::/docker/0a1b\n",
            {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
        ),
        (
            "5:cpu:/a:b\n",
            {"cpu/a:b/cpu.cfs_quota_us": "50000\n", "cpu/a:b/cpu.cfs_period_us": "100000\n"},
        ),
    ],
)
def test_a_limit_of_one_processor_is_found(
    tmp_path: Path, groups: str, files: dict[str, str]
) -> None:
    assert count_processors(make_groups(tmp_path, groups, files)) == 1


def test_a_part_of_a_processor_counts_as_one(tmp_path: Path) -> None:
    files = {"cpu.max": "150000 100000\n"}
    assert count_processors(make_groups(tmp_path, "0::/\n", files)) == min(2, ALL)


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}),
        ("0::/\n", {}),
        ("0::/\n", {"cpu.max": ""}),
        ("0::/\n", {"cpu.max": "100000000 100000\n"}),  # more than there are
        ("5:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}),
        ("5:cpu:/\n", {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "0\n"}),
        ("0::/job\n", {"other/cpu.max": "100000 100000\n"}),
        ("7:memory:/job\n", {"cpu/job/cpu.max": "100000 100000\n"}),
    ],
)
def test_without_a_limit_all_are_used(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    assert count_processors(make_groups(tmp_path, groups, files)) == ALL


def test_a_system_without_groups_has_no_limit(tmp_path: Path) -> None:
    assert count_processors(tmp_path) == ALL
