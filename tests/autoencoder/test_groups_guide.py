"""The guide to many models runs."""

import re
from pathlib import Path

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "scale.md"


@pytest.mark.filterwarnings("ignore")
def test_the_guide_to_many_models_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (section,) = re.findall(
        r"^## Many models\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.DOTALL | re.M
    )
    (block,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    exec(compile(block, "scale.md", "exec"), {})
    assert capsys.readouterr().out == "(3,)\n"
