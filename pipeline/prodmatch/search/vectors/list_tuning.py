"""How many lists of codes a query looks at, and how many rows that codes find it compares."""

from collections.abc import Callable, Sequence

from prodmatch.search.vectors.code_lists import CodeLists

GAIN = 0.004  # of the recall: less is not worth as many lists more
PATIENCE = 2  # times that more lists may gain less: then more rows cost less than so many lists


def tune_lists(lists: Sequence[CodeLists], recall: Callable[[], float], wanted: float) -> None:
    """Looks at more lists, or compares more rows where these gain nothing, until enough is found.

    Where it is not to be had, what gained nothing is taken back: it would cost every query.

    Args:
        lists: of one part, or of both.
        recall: of queries, as the lists are now.
        wanted: the recall.
    """
    best, kept, idle = recall(), [(each.breadth, each.rescored) for each in lists], 0
    while best < wanted:
        if idle == PATIENCE or not any([each.widen() for each in lists]):
            for each, (breadth, _) in zip(lists, kept, strict=True):
                each.breadth = breadth
            if not any([each.rescore_more() for each in lists]):
                break
            idle = 0
        found = recall()
        if found >= wanted:
            return
        idle += 1
        if found > best + GAIN:
            best, kept, idle = found, [(each.breadth, each.rescored) for each in lists], 0
    for each, (breadth, rescored) in zip(lists, kept, strict=True):
        each.breadth, each.rescored = breadth, rescored
