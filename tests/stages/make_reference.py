"""Write reference.json, the numbers of the end-to-end regression: ``python tests/stages/make_reference.py``."""

import json
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent

if __name__ == "__main__":
    sys.path.insert(0, str(HERE))
    target = HERE / "reference.json"
    if not target.exists():
        target.write_text("{}")
    import conftest
    import test_pipeline

    from hypotheta.stages.analysis import Analysis

    with tempfile.TemporaryDirectory() as folder:
        analysis = Analysis.load(conftest.ROOT / "analysis/ttbar/quick.yaml", out=Path(folder))
        conftest.run(analysis)
        target.write_text(json.dumps(test_pipeline.collect(analysis), indent=0) + "\n")
