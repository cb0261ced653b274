"""`hypotheta VERB …`: exit code 0, or 2 with one clear line for anything the user can mend."""

import logging
import os
import signal
import sys
import traceback
from typing import Annotated

import typer

from hypotheta import __version__
from hypotheta.cli import classifiers, limits, ntuples, samples, trials  # noqa: F401  each adds its verbs
from hypotheta.cli.application import app, settings
from hypotheta.errors import HypothetaError
from hypotheta.stages.parallel import Interrupted, interruptible
from hypotheta.stages.progress import use_bars

__all__ = ["app", "main"]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    command = typer.main.get_command(app)
    try:
        with interruptible():
            code = command.main(args=arguments, prog_name="hypotheta", standalone_mode=False)
    except (HypothetaError, OSError, MemoryError) as err:
        if settings["debug"]:
            traceback.print_exc()
        notes = "; ".join(getattr(err, "__notes__", []))
        said = str(err) or "the memory ran out; use fewer --jobs, or a machine with more"
        return _fail(f"{said} ({notes})" if notes else said, 2)
    except Interrupted as err:
        word = "terminated" if err.number == signal.SIGTERM else "interrupted"
        return _fail(f"{word}; whatever is whole is kept, run the same command again to go on", 128 + err.number)
    except typer.Exit as err:
        return err.exit_code
    except Exception as err:
        # typer may carry a click of its own, so a mistake in the arguments is told by what its exception can do
        if hasattr(err, "format_message"):
            return _fail(f"{err.format_message()} (see --help)", 2) if err.format_message() else 2
        if settings["debug"]:
            traceback.print_exc()
        return _fail(f"internal error, {type(err).__name__}: {err} (run with --debug, and report it)", 1)
    return code if isinstance(code, int) else 0  # typer returns what an Exit inside a verb says


def _fail(message: str, code: int) -> int:
    print(f"hypotheta: {' '.join(message.split())}", file=sys.stderr)
    return code


def _version(show: bool) -> None:
    if show:
        print(f"hypotheta {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and results.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Log lines instead of progress bars.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each process; results may depend on it.")] = 1,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False,  # noqa: ARG001
) -> None:
    """From ntuples to limits with classifiers that take the hypothesis θ as an input."""
    settings.update(debug=debug, threads=threads)
    use_bars(not (plain or quiet))
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)
    logging.basicConfig(level=logging.WARNING if quiet else logging.INFO, format="%(message)s", stream=sys.stderr)
    for noisy in ("matplotlib", "fontTools", "pyhf"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
