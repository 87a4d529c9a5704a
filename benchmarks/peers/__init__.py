"""Other Python packages for io_uring, each in a process of its own.

`host` is the side that starts them and asks for turns, `worker` what runs there, in the
environment that `install` made. A module `with_NAME` for each is all that is special about
it; it is imported in the worker only.
"""
