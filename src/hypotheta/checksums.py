"""Checksums of files in the form in which the grid's tools tell them, as ``adler32:1a2b3c4d``."""

import hashlib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Checksum"]

#: hexadecimal digits of each algorithm
_DIGITS = {"adler32": 8, "crc32": 8, "md5": 32, "sha256": 64}
_SHORT = {"ad": "adler32"}  # as Rucio lists it


@dataclass(frozen=True)
class Checksum:
    """The checksum of a file.

    Args:
        algorithm: adler32, crc32, md5 or sha256.
        digits: lower-case hexadecimal digits.
    """

    algorithm: str
    digits: str

    @classmethod
    def parse(cls, text: object) -> "Checksum":
        """Read a checksum.

        Raises:
            ValueError: it has another form.

        Example:
            >>> str(Checksum.parse("ad:1A2B3C4D"))
            'adler32:1a2b3c4d'
        """
        algorithm, _, digits = str(text).strip().lower().partition(":")
        algorithm = _SHORT.get(algorithm, algorithm)
        digits = digits.strip()
        n = _DIGITS.get(algorithm, 0)
        if len(digits) != n or not n or set(digits) - set("0123456789abcdef"):
            message = f"'{text}' is no checksum; write adler32:1a2b3c4d (8 digits), or crc32:, md5: or sha256:"
            raise ValueError(message)
        return cls(algorithm, digits)

    def of(self, pieces: Iterable[bytes]) -> "Checksum":
        """Return the checksum of the same algorithm of some content.

        Example:
            >>> str(Checksum.parse("ad:00000000").of([b"Wiki", b"pedia"]))
            'adler32:11e60398'
        """
        if self.algorithm in ("adler32", "crc32"):
            step = zlib.adler32 if self.algorithm == "adler32" else zlib.crc32
            value = step(b"")
            for piece in pieces:
                value = step(piece, value)
            return Checksum(self.algorithm, f"{value:08x}")
        state = hashlib.new(self.algorithm, usedforsecurity=False)
        for piece in pieces:
            state.update(piece)
        return Checksum(self.algorithm, state.hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.digits}"
