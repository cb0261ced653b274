"""Verbs that look into ntuples and begin an analysis."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hypotheta.catalogue import Location
from hypotheta.cli.application import app
from hypotheta.errors import ConfigurationError

if TYPE_CHECKING:
    from hypotheta.stages.inspection import Inspection

__all__ = ["init", "inspect"]


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="Folder to make.")]) -> None:
    """Write a skeleton analysis: catalogue, numbers, code and Snakefile, with names of files to change.

    Example: `hypotheta init analysis/mine`
    """
    from hypotheta.stages.starting import example_analysis

    example_analysis(folder)
    print(folder)


@app.command()
def inspect(
    files: Annotated[list[str] | None, typer.Argument(help="ROOT files, or URLs of them.")] = None,
    profile: Annotated[str | None, typer.Option(help="Name of a profile or a YAML file; guessed otherwise.")] = None,
    signal: Annotated[
        list[str] | None, typer.Option(help="FILE[,FILE…]:mass=500[,xsec=PB,sumw=W|file,process=P,name=N]")
    ] = None,
    background: Annotated[list[str] | None, typer.Option(help="FILE[,FILE…]:xsec=PB[,sumw=W|file,…]")] = None,
    data: Annotated[list[str] | None, typer.Option(help="FILE[,FILE…]")] = None,
    write: Annotated[Path | None, typer.Option(help="Folder to write a first analysis of these files to.")] = None,
    sqrt_s: Annotated[float, typer.Option("--sqrt-s", help="Centre-of-mass energy in TeV, for the catalogue.")] = 13.0,
    events: Annotated[int, typer.Option(min=1, help="Read at most so many events of each file.")] = 100_000,
) -> None:
    """Tell which profile fits ntuples, what maps to what and what is wrong; write a first analysis of them.

    Where no profile fits, a guess of one is printed, or written beside the folder: correct it, and give it as
    --profile.

    Example: `hypotheta inspect events.root`

    Example: `hypotheta inspect --signal x500.root:mass=500 --background top.root:xsec=831 --write mine`
    """
    from hypotheta.ntuples.matching import NoProfileError
    from hypotheta.stages.inspection import duplicates
    from hypotheta.stages.inspection import inspect as look
    from hypotheta.stages.roles import locations, parse_role
    from hypotheta.stages.starting import starting_analysis

    given = (("signal", signal), ("background", background), ("data", data))
    roles = [parse_role(kind, text) for kind, texts in given for text in texts or []]  # type: ignore[arg-type]
    named = [path for text in files or [] for path in locations(text)]
    paths = list(dict.fromkeys([*named, *(path for role in roles for path in role.files)]))
    if not paths:
        raise ConfigurationError("name a file to look into, as in: hypotheta inspect events.root")
    console = Console(highlight=False)
    simulated = {path for role in roles if role.kind != "data" for path in role.files}
    measured = {path for role in roles if role.kind == "data" for path in role.files} - simulated
    found: dict[Location, Inspection] = {}
    for path in paths:
        try:
            found[path] = look(path, profile, most=events, data=path in measured)
        except NoProfileError as err:
            raise ConfigurationError(f"{err}; {_guess(console, path, write)}") from err
    groups = [[found[p] for p in role.files] for role in roles]
    for one in found.values():
        _show(console, one, brief=any(one in group[1:] for group in groups))
    for group in groups or [list(found.values())]:
        _show_duplicates(console, group, duplicates(group))
    unsound = [one for one in found.values() if not one.sound]
    if write is None:
        if not roles and not unsound:
            console.print("Next: hypotheta inspect --signal FILE:mass=500 --background FILE:xsec=PB --write mine")
        return
    mended = [one for one in unsound if one.n_events]  # of many files some may well be empty
    if mended:
        raise ConfigurationError(f"{mended[0].path}: mend what is marked above, then write")
    profiles = list(dict.fromkeys(one.profile for one in found.values()))
    if len(profiles) > 1:
        raise ConfigurationError(f"the files have different formats ({', '.join(profiles)}); write one analysis each")
    todo = starting_analysis(write, roles, found, profiles[0], sqrt_s=sqrt_s)
    console.print(f"Written: {write}/analysis.yaml, samples.yaml, analysis.py, Snakefile", soft_wrap=True)
    for entry in todo:
        console.print(f"  fill in  {escape(entry)}", soft_wrap=True)
    then = f"Next: hypotheta train {write}  (or all of it: snakemake --cores 2 --snakefile {write}/Snakefile)"
    console.print(then, soft_wrap=True)


def _guess(console: Console, path: Location, write: Path | None) -> str:
    """Print a guess of a profile, or write it beside the folder of the analysis; return what to do with it."""
    from hypotheta.ntuples.guessing import guessed_profile
    from hypotheta.stages.files import write_text

    text = guessed_profile(path)
    if text is None:
        return "write a profile, and pass it with --profile mine.yaml"
    target = Path("mine.yaml") if write is None else write.with_name(f"{write.name}.yaml")
    if write is None or target.exists():
        console.print(text, markup=False, soft_wrap=True)
        return f"above is a guess of one: correct it, write it to a file, and go on with --profile {target.name}"
    write_text(target, text)
    return f"a guess of one was written to {target}: correct it, and go on with --profile {target}"


def _show(console: Console, one: "Inspection", *, brief: bool) -> None:
    """Print what is known of a file; ``brief`` of one more file of a sample: how large it is, and what is wrong."""
    facts = [fact for fact in one.facts if not brief or fact.bad or fact.what == "events"]
    if brief:
        shown = ", ".join(f"{'[bold red]✗ [/]' if f.bad else ''}{escape(f'{f.what}: {f.value}')}" for f in facts)
        console.print(f"{escape(str(one.path))}  {escape(f'[{one.profile}]')}  {shown}", soft_wrap=True)
        return
    table = Table(
        title=escape(f"{one.path}  [{one.profile}, tree {one.match.tree}]"), title_justify="left", show_header=False
    )
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for fact in facts:
        mark = "[bold red]✗ [/]" if fact.bad else ""
        table.add_row(escape(fact.what), mark + escape(fact.value))
    table.add_section()
    for purpose, branches in _compact(one.match.found):
        table.add_row(escape(purpose), escape(branches))
    if one.match.absent:
        table.add_row("not in the file", escape(", ".join(one.match.absent)))
    for other in one.others:
        table.add_section()
        table.add_row(f"{other.name} lacks", escape(", ".join(list(other.missing)[:6])))
    console.print(table)


def _compact(found: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return one row for each group of roles, as jets, leptons.0 and met."""
    rows: dict[str, list[str]] = {}
    for role, branch in found.items():
        parts = role.split(".")
        group = ".".join(parts[:2]) if parts[0] == "leptons" else parts[0]
        rows.setdefault(group, []).append(branch)
    return [(group, ", ".join(dict.fromkeys(names))) for group, names in rows.items()]


def _show_duplicates(console: Console, group: "Sequence[Inspection]", number: int) -> None:
    if number:
        names = ", ".join(str(one.path).rpartition("/")[2] for one in group)
        console.print(
            f"[bold red]✗[/] {number:,} events appear in more than one of {escape(names)} (by their numbers or rows): "
            "a double count within data or within a sample; between simulated samples that count from 1 it is nothing"
        )
