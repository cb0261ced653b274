"""Make a page of the reference for each room of the library, from its docstrings; `mkdocs` runs this."""

from pathlib import Path

import mkdocs_gen_files

PACKAGE = Path(__file__).parents[1] / "src/hypotheta"
HIDDEN = {"stages", "cli", "workflow", "__main__", "__init__"}

rooms = sorted({path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in PACKAGE.rglob("*.py")} - HIDDEN)
with mkdocs_gen_files.open("reference/SUMMARY.md", "w") as summary:
    for room in rooms:
        summary.write(f"- [{room}]({room}.md)\n")
        modules = [] if (PACKAGE / room).is_dir() else [room]
        if not modules:
            parts = sorted(path.relative_to(PACKAGE).with_suffix("").parts for path in (PACKAGE / room).rglob("*.py"))
            modules += [".".join(part) for part in parts if part[-1] != "__init__"]
        with mkdocs_gen_files.open(f"reference/{room}.md", "w") as page:
            page.write(f"# {room}\n\n")
            if room not in modules:  # what a package says of itself; its names stand where they are defined
                page.write(f"::: hypotheta.{room}\n    options: {{members: false, show_root_heading: false}}\n\n")
            for module in modules:
                page.write(f"::: hypotheta.{module}\n\n")
