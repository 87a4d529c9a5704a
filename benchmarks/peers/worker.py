"""What runs in a peer's process: a line with the job comes in, then a line for each turn.

It is started as a script by the peer's own Python, which has no pyuring and, isolated as it
is, no other path than its own: the modules of the benchmark are loaded from this file's
folder under their usual name, and those among them that need pyuring never.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

_HOME = Path(__file__).resolve().parent.parent
_NAME = "benchmarks"


def _load_home() -> None:
    spec = importlib.util.spec_from_file_location(_NAME, _HOME / "__init__.py", submodule_search_locations=[str(_HOME)])
    assert spec is not None
    assert spec.loader is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[_NAME])


def _failure(error: Exception, kinds: dict[str, type[Exception]]) -> dict[str, Any]:
    for kind, known in kinds.items():
        if isinstance(error, known):
            return {"failure": {"kind": kind, "reason": str(error)}}
    return {"failure": {"kind": "failed", "reason": f"{type(error).__name__}: {error}"}}


def main() -> None:
    # What the peer prints must not be taken for an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _load_home()
    contender = importlib.import_module(f"{_NAME}.contender")
    kinds = {
        "not installed": contender.NotInstalledError,
        "not possible": contender.NotPossibleError,
        "wrong data": contender.WrongDataError,
    }

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    job = json.loads(sys.stdin.readline())
    try:
        try:
            version = importlib.metadata.version(job["package"])
        except importlib.metadata.PackageNotFoundError:
            raise contender.NotInstalledError(
                f"{job['name']} is not installed (python -m {_NAME} --install-peers DIR, then --peers DIR)"
            ) from None
        with importlib.import_module(f"{_NAME}.peers.works").turns(job) as turn:
            say({"ready": version})
            for line in sys.stdin:
                say(asdict(turn(json.loads(line)["seconds"])))
    except Exception as error:  # the host tells what it means
        say(_failure(error, kinds))


if __name__ == "__main__":
    main()
