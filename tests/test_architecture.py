"""The rooms of the house and which way their doors open."""

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import hypotheta

SOURCE = Path(hypotheta.__file__).parent
#: the order of the rooms; imports go to rooms before one's own only
ROOMS = [
    *(
        "errors",
        "units",
        "hashing",
        "checksums",
        "outputs",
        "parameters",
        "kinematics",
        "remote",
        "catalogue",
        "events",
        "corrections",
        "ntuples",
        "simulation",
    ),
    *(
        "selection",
        "features",
        "dataset",
        "information",
        "exact",
        "classifiers",
        "diagnostics",
        "significance",
        "statistics",
        "trials",
    ),
    *("plots", "report", "stages", "workflow", "cli", "__main__"),
]
#: heavy packages and the only rooms that may import them
HEAVY = {
    "torch": {"classifiers"},
    "correctionlib": {"corrections"},
    "hepdata_lib": {"statistics"},
    "xgboost": {"classifiers"},
    "matplotlib": {"plots", "stages"},
    "mplhep": {"plots"},
    "pythia8mc": {"simulation"},
    "fastjet": {"simulation"},
    "onnx": {"classifiers"},
    "onnxruntime": {"classifiers"},
    "optuna": {"trials"},
    "sqlalchemy": {"trials"},
}


def modules():
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts != ("__init__",):
            yield parts[0], path, ast.parse(path.read_text())


def imports(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module


MODULES = list(modules())


@pytest.mark.parametrize(("room", "path", "tree"), MODULES, ids=[str(p.relative_to(SOURCE)) for _, p, _ in MODULES])
def test_imports_go_down(room, path, tree):
    for name in imports(tree):
        parts = name.split(".")
        if parts[0] == "hypotheta" and len(parts) > 1 and parts[1] != room:
            assert ROOMS.index(parts[1]) < ROOMS.index(room), f"{path} imports {name}"
            assert not (parts[1] == "classifiers" and room in ("statistics", "plots", "report"))
        if parts[0] in HEAVY:
            assert room in HEAVY[parts[0]], f"{path} imports {name}"


@pytest.mark.parametrize(("room", "path", "tree"), MODULES, ids=[str(p.relative_to(SOURCE)) for _, p, _ in MODULES])
def test_no_print_no_pickle_no_global_seed(room, path, tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            assert called != "print" or room == "cli", f"{path} prints"
            assert called not in {"np.random.seed", "torch.manual_seed", "random.seed"}, f"{path} sets a global seed"
    assert not {"pickle", "joblib", "dill"} & {n.split(".")[0] for n in imports(tree)}, path


def test_every_room_is_known():
    assert {room for room, _, _ in MODULES} <= set(ROOMS)


@pytest.mark.parametrize("name", [m.name for m in pkgutil.walk_packages([str(SOURCE)], "hypotheta.")])
def test_all_names_exist(name):
    if name.endswith("__main__"):
        pytest.skip("it runs the command line")
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", []):
        assert hasattr(module, public) or importlib.import_module(f"{name}.{public}")


def test_import_stays_light():
    code = (
        "import hypotheta, hypotheta.cli, sys; print([m for m in ('torch', 'numpy', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_library_names_no_analysis():
    for _, path, tree in MODULES:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and not isinstance(node, ast.Expr):
                assert "mwwbb" not in node.value or "Example" in node.value, f"{path} names a feature of an analysis"
