"""Many small files, with content that tells which of them it is."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence

from .contender import WrongDataError

__all__ = ["LARGEST", "SMALLEST", "SmallFiles"]

#: Bytes; the sizes between are all as likely.
SMALLEST = 1 << 10
LARGEST = 15 << 10

_IN_A_FOLDER = 1000
_NUMBER = 8
_PATTERNS = 1 << 20
_noise = random.Random(LARGEST).randbytes(_PATTERNS + LARGEST)


class SmallFiles:
    """`count` files in folders inside `home`."""

    def __init__(self, home: str, count: int) -> None:
        self.home = home
        self.count = count
        sizes = random.Random(count)
        self._sizes = [sizes.randint(SMALLEST, LARGEST) for _ in range(count)]
        paths = [os.path.join(home, f"{number // _IN_A_FOLDER:03}", f"{number:06}.bin") for number in range(count)]
        #: In another order than they were made in, as a data loader has them.
        self._numbers = random.Random(home.count("/")).sample(range(count), count)
        self.paths = [paths[number] for number in self._numbers]

    def _content(self, number: int) -> bytes:
        start = number * 40503 % _PATTERNS
        return number.to_bytes(_NUMBER, "little") + _noise[start : start + self._sizes[number] - _NUMBER]

    def make(self) -> None:
        """Write them all, unless they are there, and have them on the disk."""
        if os.path.isdir(self.home):
            return
        for number, path in sorted(zip(self._numbers, self.paths, strict=True)):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                file.write(self._content(number))
        os.sync()

    def check(self, contents: Sequence[bytes | bytearray | memoryview]) -> None:
        """Refuse anything but the contents of all files, in the order of `paths`.

        Raises:
            WrongDataError: something else was read.
        """
        if len(contents) != self.count:
            raise WrongDataError(f"{len(contents)} contents where {self.count} files were to be read")
        for number, path, data in zip(self._numbers, self.paths, contents, strict=True):
            if data != self._content(number):
                raise WrongDataError(f"{os.path.basename(path)} does not hold what was read from it")
