"""Other formats of a model, each run against model.onnx before it is written.

The room has the name of its verb. An import from the room makes `signwise.export` the room, so the
room can be called: it is the verb then.
"""

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *arguments: Any, **named: Any) -> Any:
        from signwise.export.export import export

        return export(*arguments, **named)


sys.modules[__name__].__class__ = _Room
