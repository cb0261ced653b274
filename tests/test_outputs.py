import errno
import fcntl
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hypotheta.classifiers.storage import write_directory
from hypotheta.errors import InputFileError, OutputError
from hypotheta.ntuples import read_tree, write_root
from hypotheta.outputs import replacing, temporary_file, temporary_folder
from hypotheta.stages.files import write_folder, write_text

#: writers that are killed in the middle
WRITERS = {
    "tree": "from hypotheta.ntuples import writing_root\n"
    "with writing_root(path) as out:\n    out.extend('t', {'x': np.ones(10)})\n    wait()",
    "text": "from hypotheta.outputs import replacing\n"
    "with replacing(path) as new:\n    new.write_text('half')\n    wait()",
    "folder": "from hypotheta.outputs import temporary_folder\n"
    "with temporary_folder(path) as new:\n    (new / 'half').write_text('half')\n    wait()",
}
#: who comes next
NEXT = {
    "tree": lambda path: write_root(path, {"t": {"x": np.zeros(3)}}),
    "text": lambda path: write_text(path, "whole"),
    "folder": lambda path: write_folder(path, {"a.txt": b"whole"}),
    "model": lambda path: write_directory({"a.txt": b"whole"}, path),
}


def started(path, kind):
    """Start a process that writes; return it once it has made its temporary."""
    code = (
        "import sys, time\nfrom pathlib import Path\nimport numpy as np\npath = Path(sys.argv[1])\n"
        "def wait():\n    print('ready', flush=True)\n    time.sleep(600)\n" + WRITERS[kind]
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()


@pytest.mark.parametrize(("kind", "after"), [*((k, k) for k in WRITERS), ("folder", "model"), ("folder", "tree")])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path, kind, after):
    path, other = tmp_path / "a.b", tmp_path / "a"
    process = started(path, kind)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".a.b.")
    with temporary_file(path), temporary_folder(path):
        assert left.exists()  # its writer lives
    killed(process)
    write_text(other, "another output")
    assert left.exists()
    NEXT[after](path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "a.b"]


def test_a_writer_that_lives_is_left_in_peace(tmp_path):
    path = tmp_path / "a.txt"
    with replacing(path) as mine:
        mine.write_text("mine")
        write_text(path, "faster")
        assert mine.exists()
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_of_one_output(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda i: write_text(tmp_path / "a.txt", f"{i}" * 100), range(10)):
            pass
    assert len(set((tmp_path / "a.txt").read_text())) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_nothing_breaks_and_nothing_is_removed_without_locks(tmp_path, monkeypatch, number):
    def no_locks(*_):
        raise OSError(number, os.strerror(number))

    process = started(tmp_path / "a.root", "tree")
    killed(process)
    monkeypatch.setattr(fcntl, "flock", no_locks)  # the outside world: a network disk
    write_root(tmp_path / "a.root", {"t": {"x": np.ones(3)}})
    write_folder(tmp_path / "folder", {"a": b"b"})
    assert read_tree(tmp_path / "a.root", "t")["x"].tolist() == [1, 1, 1]
    assert len(list(tmp_path.iterdir())) == 3


def test_where_a_lock_keeps_all_others_out_there_is_none(tmp_path, monkeypatch):
    """As on SMB, where flock is mandatory: writing through another handle fails."""
    locked = set()

    def flock(handle, operation):
        inode = os.fstat(handle).st_ino
        locked.discard(inode) if operation == fcntl.LOCK_UN else locked.add(inode)

    opened = Path.open

    def guarded(self, *args, **options):
        if self.stat().st_ino in locked:
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(self, *args, **options)

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.setattr(Path, "open", guarded)
    with temporary_file(tmp_path / "a.txt") as temporary:
        assert not locked
        with temporary_file(tmp_path / "a.txt"):
            assert temporary.exists()  # nobody can know whether its writer lives
        monkeypatch.undo()
        temporary.write_text("a")
    assert not any(tmp_path.iterdir())


def test_the_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_text(tmp_path / "a.txt", "a")
    write_root(tmp_path / "a.root", {"t": {"x": np.ones(3)}})
    modes = {p.stat().st_mode for p in tmp_path.iterdir()}
    assert len(modes) == 1


def test_errors_are_told_and_nothing_is_left(tmp_path):
    missing = tmp_path / "none" / "a.txt"
    with pytest.raises(OutputError, match=r"none/a\.txt: cannot be written \(No such file or dir"), replacing(missing):
        pass
    with (
        pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left on"),
        replacing(tmp_path / "a.txt"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(InputFileError, match="of the reader"), replacing(tmp_path / "a.txt"):
        raise InputFileError("of the reader")
    assert list(tmp_path.iterdir()) == []
