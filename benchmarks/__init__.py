"""Benchmarks: pyuring against what a Python programmer would use instead.

Run them with ``python -m benchmarks`` in the checkout, or with
``python -m pyuring.benchmarks`` where pyuring is installed. Each case is a file that
answers one question; `cases` lists them.
"""
