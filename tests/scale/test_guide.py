"""The guide to scale runs, but for what needs an engine (`test_engines`)."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "scale.md"


def section(title):
    (found,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", GUIDE.read_text(), re.DOTALL | re.M)
    return found


def test_scores_on_many_machines_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    space = {"__name__": "__main__"}
    blocks = re.findall(r"```python\n(.*?)```", section("Scores on many machines"), re.DOTALL)
    for block in blocks:
        exec(compile(block, "scale.md", "exec"), space)
    assert capsys.readouterr().out == "['id', 'score', 'outlier']\n500\n"
    assert len(blocks) == 2
