"""The CFFI extension and the tag of its wheel; everything else is in pyproject.toml."""

from setuptools import setup

setup(
    cffi_modules=["build_liburing.py:make_ffi"],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
