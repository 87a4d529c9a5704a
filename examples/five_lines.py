#!/usr/bin/env python3
"""Write a file through io_uring and read it back: the five lines of the README."""

import argparse
import os

import pyuring

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("path", nargs="?", default="hello.txt", help="the file to write (default: hello.txt)")
path = parser.parse_args().path

fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
with pyuring.Ring() as ring:
    ring.write(fd, b"Hello, io_uring!\n", offset=0).result()
    print(ring.read(fd, 4096, offset=0).result().decode(), end="")
os.close(fd)
