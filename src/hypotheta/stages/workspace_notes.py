"""What a reader of the workspaces must know, written beside them."""

from pathlib import Path

from hypotheta.stages.files import write_text
from hypotheta.statistics.model import MODIFIER_SETTINGS

__all__ = ["write_workspace_notes"]

_NOTES = """# Workspaces

One pyhf workspace a discriminant and hypothesis, `{{discriminant}}/{{hypothesis}}.json`; `manifest.json` says for each
what its observation is, which bin edges it has and what was done to its templates.

- **Parameter of interest**: `mu` is σ·B of the signal in pb, as its templates are filled for 1 pb.
- **Observation**: the measurement is named after it: `asimov` (the blinded default: the background's expectation),
  `pseudo-data` or `data`.
- **Interpolation**: {codes}. pyhf keeps this outside of the workspace; give it explicitly wherever a model is made:

  ```python
  workspace = pyhf.Workspace(json.load(open("{example}")))
  model = workspace.model(modifier_settings={settings})
  ```

  The command lines of pyhf and cabinetry use the same codes.
- **MC statistics**: `staterror` (Gaussian) on the backgrounds' sum of each bin, not on the signal.

From the command line:

```sh
pyhf cls {example} --test-poi 3
pyhf inspect {example}
cabinetry fit --asimov --minos mu {example}
cabinetry ranking --asimov {example}
```

`mu` is bounded by 0 in the workspaces, as limits need it. On the background's Asimov set the best fit lies on this
bound, and the symmetric errors that other programs quote there mean nothing: cabinetry's `--asimov` fits a set with
signal (`mu` at its initial value), `hypotheta fit` lets `mu` be negative.
"""


def write_workspace_notes(folder: Path, example: str) -> None:
    """Write ``README.md`` into the folder of the workspaces.

    Args:
        folder: where the workspaces are.
        example: one of them, relative to the folder.
    """
    codes = ", ".join(f"{setting['interpcode']} for {kind}" for kind, setting in MODIFIER_SETTINGS.items())
    write_text(folder / "README.md", _NOTES.format(codes=codes, settings=MODIFIER_SETTINGS, example=example))
