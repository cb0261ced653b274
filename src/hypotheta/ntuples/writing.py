"""Write ROOT files, whole or not at all: at once with `write_root`, piece by piece with `writing_root`."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import uproot

from hypotheta.errors import InvalidEventsError, OutputError
from hypotheta.ntuples.files import METADATA, file_uuid
from hypotheta.ntuples.integrity import ColumnSums, sealed
from hypotheta.outputs import temporary_file

__all__ = ["RootWriter", "write_root", "writing_root"]

#: rows in a basket: enough to compress well, few enough to read in pieces
_BASKET = 50_000
#: room for the description of a TTree: with uproot's default it is moved, and leaves a hole of 20 kB
_STREAMERS = 20_480
# ZSTD: LZMA makes files 10 % smaller, and takes 15 times as long to read. LZ4 has checksums, but leaves four fifths of
# the features as they are, without one, in files 30 % larger; ZLIB makes them 15 % larger and is 8 times as slow to
# write. Checksums are our own therefore: `hypotheta.ntuples.integrity`.
_COMPRESSIONS = {"zstd": uproot.ZSTD(5), "lzma": uproot.LZMA(5), "none": None}


class RootWriter:
    """An open ROOT file whose trees grow; made by `writing_root`."""

    def __init__(self, path: Path, file: Any) -> None:
        self._path = path
        self._file = file
        self._trees: dict[str, Any] = {}
        self._types: dict[str, dict[str, Any]] = {}
        self._rows: dict[str, int] = {}
        self._sums: dict[str, ColumnSums] = {}
        self._texts: dict[str, str] = {}

    def extend(self, tree: str, columns: Mapping[str, Any]) -> None:
        """Add rows to a tree; the first ones decide on its columns and their types, to which later ones are cast.

        Args:
            tree: its name.
            columns: column → array, as `write_root` takes them; no rows are allowed.

        Raises:
            InvalidEventsError: when the columns have different lengths, or one has numbers that its type cannot hold.
            OutputError: when the disk is full.
        """
        prepared = _collections(tree, columns)
        types = self._types.setdefault(tree, {key: _type(values) for key, values in prepared.items()})
        prepared = {key: _cast(values, types.get(key), f"tree '{tree}': '{key}'") for key, values in prepared.items()}
        with _told(self._path):
            if tree not in self._trees:
                self._trees[tree] = self._file.mktree(tree, types)
                self._sums[tree] = ColumnSums()
            for rows in _baskets(prepared):
                self._trees[tree].extend(rows)
        start = self._rows.get(tree, 0)
        for name, values in _branches(prepared):
            self._sums[tree].add(name, values, start)
            self._rows[tree] = start + len(values)

    def annotate(self, metadata: Mapping[str, str]) -> None:
        """Put texts beside the trees; see `read_metadata`."""
        self._texts |= metadata

    def finish(self) -> None:
        """Write the texts, and the checksums of what the trees hold."""
        with _told(self._path):
            self._file[METADATA] = sealed(self._texts, self._sums, file_uuid(self._file))


@contextlib.contextmanager
def writing_root(path: Path, *, compression: Literal["zstd", "lzma", "none"] = "zstd") -> Iterator[RootWriter]:
    """Open a ROOT file to write it piece by piece; it appears only when the block ends well.

    Args:
        path: the file; its folder is made where it is not there yet.
        compression: ``zstd`` by default; ``lzma`` is smaller and much slower.

    Raises:
        OutputError: when the file cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with _told(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = stack.enter_context(temporary_file(path))
            options = {"compression": _COMPRESSIONS[compression], "initial_streamers_bytes": _STREAMERS}
            file = uproot.recreate(partial, **options)
        try:
            writer = RootWriter(path, file)
            yield writer
            writer.finish()
        finally:
            with _told(path):
                file.close()
        with _told(path):
            partial.replace(path)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say which file cannot be written."""
    try:
        yield
    except OSError as err:
        raise OutputError(f"{path}: cannot be written ({err.strerror or err}); choose another folder") from err


def write_root(
    path: Path,
    trees: Mapping[str, Mapping[str, Any]],
    metadata: Mapping[str, str] | None = None,
    *,
    compression: Literal["zstd", "lzma", "none"] = "zstd",
) -> None:
    """Write trees into a ROOT file; the file appears only when it is complete.

    Jagged columns follow NanoAOD: records named ``Jet`` and jagged columns named ``Jet_pt``, ``Jet_eta``, … alike
    become branches ``Jet_pt``, ``Jet_eta``, … with one counter ``nJet``.

    Args:
        path: the file; its folder is made where it is not there yet.
        trees: tree → column → array of shape (n,), or jagged (n, var). Types are kept (uint64, float32, bool, …).
        metadata: texts kept beside the trees; see `read_metadata`.
        compression: ``zstd`` by default; ``lzma`` is smaller and much slower.

    Raises:
        InvalidEventsError: when the columns of a tree have different lengths.
        OutputError: when the file cannot be written.
    """
    with writing_root(path, compression=compression) as file:
        for name, columns in trees.items():
            file.extend(name, columns)
        file.annotate(metadata or {})


def _type(values: Any) -> Any:
    return values.type.content if isinstance(values, ak.Array) else values.dtype


def _cast(values: Any, wanted: Any, where: str) -> Any:
    """Return a column in the type that its branch has, which uproot would give it in silence."""
    if wanted is None or _type(values) == wanted:
        return values
    cast = None if isinstance(values, ak.Array) else values.astype(wanted)
    if cast is None or not np.array_equal(cast, values, equal_nan=values.dtype.kind == "f"):
        raise InvalidEventsError(
            f"{where} began as {wanted} and goes on as {_type(values)}, with other values; give it one type from the "
            "first rows on"
        )
    return cast


def _branches(columns: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield columns by the names of their branches: a field of a collection is one of its own."""
    for name, values in columns.items():
        if isinstance(values, ak.Array) and ak.fields(values):
            yield from ((f"{name}_{field}", values[field]) for field in ak.fields(values))
        else:
            yield name, values


def _baskets(columns: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    n = len(next(iter(columns.values())))
    for start in range(0, n, _BASKET):
        yield {name: values[start : start + _BASKET] for name, values in columns.items()}


def _collections(tree: str, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Join jagged columns ``Jet_pt``, ``Jet_eta``, … to records ``Jet``, so that they share one counter."""
    plain: dict[str, Any] = {}
    jagged: dict[str, dict[str, ak.Array]] = {}
    vectors: dict[str, ak.Array] = {}
    for name, values in columns.items():
        if not isinstance(values, ak.Array) or values.ndim == 1:
            plain[name] = np.asarray(values)
        elif ak.fields(values):
            jagged.setdefault(name, {}).update({f: values[f] for f in ak.fields(values)})
        else:
            collection, _, field = name.partition("_")
            if field:
                jagged.setdefault(collection, {})[field] = values
            else:  # a vector of its own, as LHEScaleWeight
                vectors[name] = ak.from_regular(values, axis=1)
    for name, values in vectors.items():
        plain.pop(f"n{name}", None)  # written as the counter
        plain[name] = values
    for collection, fields in jagged.items():
        plain.pop(f"n{collection}", None)  # written as the counter
        plain[collection] = _records(tree, collection, fields)
    if not plain:
        raise InvalidEventsError(f"tree '{tree}' has no columns; write at least one")
    lengths = {name: len(values) for name, values in plain.items()}
    if len(set(lengths.values())) > 1:
        raise InvalidEventsError(f"tree '{tree}': its columns have different lengths: {lengths}")
    return plain


def _records(tree: str, collection: str, fields: Mapping[str, ak.Array]) -> ak.Array:
    counts = [ak.to_numpy(ak.num(values, axis=1)) for values in fields.values()]
    if not all(np.array_equal(counts[0], other) for other in counts[1:]):
        raise InvalidEventsError(f"tree '{tree}': the columns of '{collection}' differ in their numbers of objects")
    content = {name: ak.to_numpy(ak.flatten(values, axis=1)) for name, values in fields.items()}
    return ak.unflatten(ak.zip(content), counts[0])
