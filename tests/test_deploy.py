"""The guide on other processes and services runs; `test_mlflow` has its part on MLflow."""

import re
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "docs" / "guides" / "deploy.md").read_text()
(WORKERS,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_spawned_workers_compute_as_in_the_guide(capsys):
    exec(compile(WORKERS, "deploy.md", "exec"), {"__name__": "__main__"})
    assert capsys.readouterr().out == "True\n"
