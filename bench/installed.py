"""Bytes of a package and of all that it requires, where they are installed.

    python bench/installed.py MODULE PACKAGE [EXTRA...]

The last line is one JSON document. It runs in any environment that has packaging.
"""

import argparse
import importlib.util
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(package: str, extras: Sequence[str] = ()) -> set[str]:
    """The names of the package and of what it requires here, with these extras of it."""
    found: set[tuple[str, str]] = set()
    waiting = [(package, extra) for extra in ("", *extras)]
    while waiting:
        name, extra = waiting.pop()
        if (canonicalize_name(name), extra) in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # another system's, or one that is built in
        found.add((canonicalize_name(name), extra))
        for line in requires:
            one = Requirement(line)
            if one.marker is None or one.marker.evaluate({"extra": extra}):
                waiting += [(one.name, more) for more in ("", *one.extras)]
    return {name for name, _ in found}


def size(package: str) -> int:
    """Bytes of its files, those that Python compiled among them."""
    files = distribution(package).files or []
    paths = [Path(str(file.locate())) for file in files]
    return sum(path.stat().st_size for path in paths if path.is_file())


def module_size(module: str) -> int:
    """Bytes of a module's folder: a package that is edited where it stands has no other files."""
    spec = importlib.util.find_spec(module)
    places = [] if spec is None else spec.submodule_search_locations or []
    paths = [path for place in places for path in Path(place).rglob("*")]
    return sum(path.stat().st_size for path in paths if path.is_file())


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the bytes and the number of packages."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("module")
    parser.add_argument("package")
    parser.add_argument("extras", nargs="*")
    options = parser.parse_args(arguments)
    names = closure(options.package, options.extras)
    own = module_size(options.module.partition(".")[0])
    others = sum(size(name) for name in names - {canonicalize_name(options.package)})
    print(json.dumps({"bytes": own + others, "packages": len(names)}))


if __name__ == "__main__":
    main()
