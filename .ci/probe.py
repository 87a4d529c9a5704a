"""Say what an installed pyuring does on this machine: ``python -I .ci/probe.py``.

Containers may refuse io_uring: that must be said in the documented way, and is no failure.
"""

from pathlib import Path

import pyuring

maps = Path("/proc/self/maps").read_text()
if "liburing.so" in maps:
    raise SystemExit("this wheel needs a liburing.so")
try:
    with pyuring.Ring(8) as ring:
        ring.nop().result()
        print("io_uring works:", ring)
except pyuring.UnavailableError as error:
    print("io_uring is refused:", error)
