"""How many processors a process may use: those it is bound to, and a container's limit of them."""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def count_processors(root: Path = Path("/")) -> int:
    """At least 1: the processors this process may run on, or its control group's quota, rounded up.

    `docker run --cpus`, limits of Kubernetes and systemd's `CPUQuota` are such quotas: a process
    sees all processors of the machine, and is stopped for the rest of every tenth of a second once
    its threads have used up their share.

    Args:
        root: of the file system with `proc` and `sys`.
    """
    quotas = [quota for folder in _control_groups(root) if (quota := _read_quota(folder))]
    return math.ceil(min([len(os.sched_getaffinity(0)), *quotas]))


def _control_groups(root: Path) -> Iterator[Path]:
    """Folders of the groups of this process that share out time, with those around each.

    A container may see its own group as the mount's root, under the host's name for it.
    """
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for _, kinds, name in (line.split(":", 2) for line in lines):
        mount = root / "sys/fs/cgroup"
        if kinds:  # the first version: a hierarchy for each kind
            mount /= "cpu"
        if not kinds or "cpu" in kinds.split(","):
            group = mount / name.lstrip("/")
            yield from (group, *group.parents[: len(group.parts) - len(mount.parts)])


def _read_quota(folder: Path) -> float | None:
    """Processors of a group's quota; None without one."""
    try:
        if (limit := folder / "cpu.max").exists():
            quota, period = limit.read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return float(quota) / float(period) if float(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # no such file, or "max"
        return None
