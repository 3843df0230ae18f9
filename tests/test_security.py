"""SECURITY.md names the tests that hold its promises: they are there."""

import re
from pathlib import Path

HERE = Path(__file__).parent


def test_each_test_that_is_named_is_there() -> None:
    text = (HERE.parent / "SECURITY.md").read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+\.py)(?:: (test_\w+))?`", text)
    assert len(named) > 20
    for file, test in named:
        code = (HERE / file).read_text(encoding="utf-8")
        assert f"def {test}(" in code if test else "def test_" in code, (file, test)
    threats = text.partition("## Threats")[2].partition("## Known gaps")[0]
    rows = [row for row in threats.splitlines() if row.startswith("| ")][1:]
    for row in rows:
        assert "`test_" in row, row
