"""Files packed into one, equal contents into equal bytes. Which one do I use? `tar_gz`."""

import gzip
import io
import tarfile
from collections.abc import Mapping

__all__ = ["tar_gz"]


def tar_gz(contents: Mapping[str, bytes]) -> bytes:
    """Return files as a gzipped tar archive without times or owners.

    Args:
        contents: bytes by file name; names with slashes make folders.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, data in sorted(contents.items()):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()
