"""From a job to the turns of the peer that is to do it."""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from typing import Any

from ..contender import NotPossibleError, Turn
from ..place import MixedPlace, Place
from ..reading import file_turns
from ..rounds import nop_turns
from ..small import SmallFiles
from ..transfer import turns_of

__all__ = ["turns"]


def turns(job: dict[str, Any]) -> AbstractContextManager[Turn]:
    """Open what `job` needs, in the peer's own module, and prove its data."""
    module = importlib.import_module(f"{__package__}.{job['module']}")
    work, depth = job["work"], job["depth"]
    opener = getattr(module, work, None)
    if opener is None:
        raise NotPossibleError(f"{job['name']} {module.CANNOT[work]}")
    if work == "nops":
        return nop_turns(opener(depth), depth)
    if work == "files":
        return file_turns(SmallFiles(job["home"], job["count"]), opener(depth))
    if work == "mixed":
        place: Place = MixedPlace(job["place"]["path"], size=job["place"]["size"], direct=job["place"]["direct"])
    else:
        place = Place(**job["place"])
    return turns_of(place, opener(depth))
