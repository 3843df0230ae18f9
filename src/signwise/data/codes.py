"""Names as numbers: what is done with millions of them is done with arrays."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def sorted_codes(values: Iterable[str]) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct values in order, and for each of the N values its place (N,) among these.

    Not by pandas or NumPy: the strings of the one can't hold what is no UTF-8, those of the other
    are all as wide as the widest.
    """
    every = list(values)
    # In their order here, mostly sorted already: a set would mix them, and a million that are mixed
    # take twice as long to sort.
    names = sorted(dict.fromkeys(every))
    places = {name: place for place, name in enumerate(names)}
    return names, np.fromiter(map(places.__getitem__, every), np.intp, len(every))
