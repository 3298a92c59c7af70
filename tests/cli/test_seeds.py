"""The same command gives the same result, unless it is asked for another."""

import re
from pathlib import Path

import pytest

import isthmus

FAST = "--max-epochs 2 --quiet"
WORDS = {
    "fit": f"fit t.csv --ignore name,kind,x {FAST} -o OUT.isthmus",
    "tune": f"tune t.csv --ignore name,kind,x {FAST} --grid n_components=1,2 -o OUT.isthmus",
    "detect": f"detect t.csv --ignore name,kind,x --n-estimators 2 {FAST} -o OUT.csv",
    "embed": "embed m.isthmus t.csv -o OUT.csv --method tsne --quiet",
}


def result(path):
    """Return what a command wrote; of a model, its first weights."""
    if path.suffix == ".isthmus":
        return isthmus.load(path).net_.encoder[0].weight.tobytes()
    return path.read_bytes()


@pytest.mark.parametrize("name", WORDS)
def test_the_same_command_gives_the_same_result(ready, name):
    written = []
    for number in range(2):
        ended = ready(WORDS[name].replace("OUT", f"o{number}"))
        assert ended.status == 0, ended
        written.append(result(next(Path().glob(f"o{number}.*"))))
    assert written[0] == written[1]
    assert "INT|none" in ready(f"{name} --help").out


def test_a_seed_that_is_drawn_is_shown_and_can_be_given(ready):
    words = WORDS["fit"]
    ended = ready(words.replace("OUT", "o1"), "--random-state", "none")
    drawn = re.search(r"--random-state (\d+) was drawn: give it", ended.err)[1]
    assert isthmus.load("o1.isthmus").random_state == int(drawn)
    assert ready(words.replace("OUT", "o2"), "--seed", drawn).status == 0
    assert result(Path("o1.isthmus")) == result(Path("o2.isthmus"))
    again = ready(words.replace("OUT", "o3"), "--random-state", "none")
    assert ended.err != again.err


@pytest.mark.parametrize("seed", ["-1", "x", "1.5", str(2**63)])
def test_a_seed_is_a_whole_number(ready, seed):
    ended = ready("fit t.csv --columns a,b --random-state", seed)
    assert ended.status == 2
    assert f"or none; got '{seed}'." in ended.err


def test_a_model_without_a_seed_starts_another_with_the_usual_one(ready):
    isthmus.load("m.isthmus").set_params(random_state=None).save("none.isthmus")
    for name in ("o1", "o2"):
        words = WORDS["fit"].replace("OUT", name)
        assert ready(words, "--init", "none.isthmus").status == 0
    assert result(Path("o1.isthmus")) == result(Path("o2.isthmus"))
