"""The CFFI extension and the tag of its wheel; everything else is in pyproject.toml."""

import sys
import sysconfig

from setuptools import setup

# The metadata and the sdist need neither a compiler nor liburing.
needs_extension = {"egg_info", "dist_info", "sdist"}.isdisjoint(sys.argv)
# A free-threaded CPython has no stable ABI to offer.
is_abi3 = not sysconfig.get_config_var("Py_GIL_DISABLED")

setup(
    cffi_modules=["build_liburing.py:make_ffi"] if needs_extension else [],
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if is_abi3 else {},
)
