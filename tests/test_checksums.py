import hashlib
import zlib

import pytest

from hypotheta.checksums import Checksum

CONTENT = [b"some", b"", b"bytes" * 1000]


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("adler32:00000000", f"{zlib.adler32(b''.join(CONTENT)):08x}"),
        ("crc32:00000000", f"{zlib.crc32(b''.join(CONTENT)):08x}"),
        (f"md5:{32 * '0'}", hashlib.md5(b"".join(CONTENT)).hexdigest()),
        (f"sha256:{64 * '0'}", hashlib.sha256(b"".join(CONTENT)).hexdigest()),
    ],
)
def test_pieces_have_the_checksum_of_the_whole(text, digits):
    assert Checksum.parse(text).of(CONTENT).digits == digits


def test_checksums_are_read_as_the_tools_of_the_grid_write_them():
    assert Checksum.parse("ad:1A2B3C4D") == Checksum.parse(" adler32: 1a2b3c4d ") == Checksum("adler32", "1a2b3c4d")
    assert str(Checksum.parse("ad:1a2b3c4d")) == "adler32:1a2b3c4d"


@pytest.mark.parametrize("text", ["", "1a2b3c4d", "adler32:", "adler32:1a2b3c4", "sha1:1a2b3c4d", "md5:xyz", None, 3])
def test_other_texts_are_no_checksums(text):
    with pytest.raises(ValueError, match=rf"'{text}' is no checksum; write adler32:1a2b3c4d \(8 digits\)"):
        Checksum.parse(text)
