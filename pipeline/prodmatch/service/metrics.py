"""What a service counts, in the text format of Prometheus."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds


@dataclass
class Metrics:
    """Counts of requests; the event loop alone changes them."""

    in_flight: int = 0
    _requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # by route and status
    _seconds: dict[str, float] = field(default_factory=dict)
    _buckets: dict[str, list[int]] = field(default_factory=dict)  # of each bound those below it

    def count(self, route: str, status: int, seconds: float) -> None:
        """Adds a request that has been answered."""
        self._requests[route, status] += 1
        self._seconds[route] = self._seconds.get(route, 0.0) + seconds
        buckets = self._buckets.setdefault(route, [0] * len(BOUNDS))
        for position, bound in enumerate(BOUNDS):
            buckets[position] += seconds <= bound

    def render(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """All of it as text.

        Args:
            gauges: what else there is, by name: what it means, and its value.
        """
        own = {"requests_in_flight": ("Requests that are being answered.", self.in_flight)}
        return "".join(f"{line}\n" for line in self._lines({**own, **gauges}))

    def _lines(self, gauges: Mapping[str, tuple[str, float]]) -> Iterator[str]:
        for name, (about, value) in gauges.items():
            yield from _head(f"prodmatch_{name}", about, "gauge")
            yield f"prodmatch_{name} {value:.15g}"
        name = "prodmatch_requests_total"
        yield from _head(name, "Requests answered, by route and status.", "counter")
        for (route, status), count in sorted(self._requests.items()):
            yield f'{name}{{route="{route}",status="{status}"}} {count}'
        name = "prodmatch_request_seconds"
        yield from _head(
            name, "Seconds from a request's header to the end of its answer.", "histogram"
        )
        for route, seconds in sorted(self._seconds.items()):
            total = sum(count for (own, _), count in self._requests.items() if own == route)
            for bound, count in zip(BOUNDS, self._buckets[route], strict=True):
                yield f'{name}_bucket{{route="{route}",le="{bound}"}} {count}'
            yield f'{name}_bucket{{route="{route}",le="+Inf"}} {total}'
            yield f'{name}_sum{{route="{route}"}} {seconds:.6f}'
            yield f'{name}_count{{route="{route}"}} {total}'


def _head(name: str, about: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {about}"
    yield f"# TYPE {name} {kind}"
