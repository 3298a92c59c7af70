"""The example server of the guide "In a service" speaks the Open Inference Protocol."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest

from isthmus import Autoencoder, OutlierDetector

pytest.importorskip("onnxruntime")
SERVER = Path(__file__).parents[1] / "docs" / "examples" / "serve.py"


class Answer(NamedTuple):
    status: int
    json: dict


class Service(NamedTuple):
    process: subprocess.Popen
    host: str
    home: str

    def ask(self, path="", body=None, headers=None, method=None):
        content = json.dumps(body) if isinstance(body, dict) else body
        method = method or ("GET" if body is None else "POST")
        with closing(http.client.HTTPConnection(self.host, timeout=30)) as connection:
            connection.request(method, self.home + path, content, headers or {})
            got = connection.getresponse()
            return Answer(got.status, json.loads(got.read()))


@contextmanager
def serving(*words):
    command = [sys.executable, str(SERVER), *map(str, words), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = urlsplit(process.stdout.readline().strip())
            yield Service(process, url.netloc, url.path)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def detector(iris):
    ae = Autoencoder(2, max_epochs=2, random_state=0)
    return OutlierDetector(ae, n_estimators=2, random_state=0).fit(iris)


@pytest.fixture(scope="module")
def service(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("service") / "outliers.onnx"
    detector.export(path)
    with serving(path, "--max-bytes", 20_000) as found:
        yield found


def request(X, **others):
    rows = {"name": "X", "shape": list(X.shape), "datatype": "FP32", "data": X.ravel().tolist()}
    return {"inputs": [rows], **others}


def test_the_server_and_the_model_say_what_they_are(service):
    assert service.home == "/v2/models/outliers"
    facts = service.ask().json
    assert facts["inputs"] == [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}]
    assert [output["name"] for output in facts["outputs"]] == ["score", "is_outlier"]
    assert service.ask("/ready").json == {"name": "outliers", "ready": True}
    root = service._replace(home="/v2")
    assert root.ask("/health/live").json == {"live": True}
    assert root.ask("/health/ready").json == {"ready": True}
    assert root.ask().json["name"]


def test_scores_are_the_detectors(service, detector, iris):
    got = service.ask("/infer", request(iris[:20], id="a"))
    assert got.status == 200
    score, outlier = got.json.pop("outputs")
    assert got.json == {"model_name": "outliers", "model_version": "1", "id": "a"}
    assert (score["datatype"], score["shape"]) == ("FP32", [20])
    np.testing.assert_allclose(score["data"], detector.score_samples(iris[:20]), rtol=1e-3)
    assert outlier["datatype"] == "BOOL"
    threshold = {"name": "threshold", "shape": [1], "datatype": "FP32", "data": [0.0]}
    asked = request(iris[:5], outputs=[{"name": "is_outlier"}])
    asked["inputs"].append(threshold)
    (found,) = service.ask("/infer", asked).json["outputs"]
    assert found["data"] == [True] * 5  # scores are below 0


ROW = {"name": "X", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}
THRESHOLD = {"name": "threshold", "shape": [1], "datatype": "FP32"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "no JSON"),
        ("[" * 5000, "no JSON"),
        ("[]", 'a list "inputs"'),
        ({"inputs": []}, "The input 'X' is missing"),
        ({"inputs": [ROW | {"name": "Y"}]}, "no input 'Y'; known: X, threshold"),
        ({"inputs": [ROW | {"datatype": "FP64"}]}, "datatype FP32; got 'FP64'"),
        ({"inputs": [ROW | {"shape": [1, 3]}]}, r"shape [-1, 4]; got [1, 3]"),
        ({"inputs": [ROW | {"shape": [10**12, 4]}]}, r"shape [-1, 4]; got"),
        ({"inputs": [ROW | {"shape": [2, 4]}]}, "has 4 values"),
        ({"inputs": [ROW | {"data": [1, 2, 3, "x"]}]}, "takes FP32; got 'x' at [0, 3]."),
        ({"inputs": [ROW | {"data": [[1, True, 3, 4]]}]}, "takes FP32; got 'True' at [0, 1]."),
        ({"inputs": [ROW | {"data": [1, 2, None, 4]}]}, "'X' takes FP32; got null, a missing"),
        ({"inputs": [ROW, THRESHOLD | {"data": [None]}]}, "'threshold' takes FP32; got null"),
        ({"inputs": [ROW | {"data": [1, 2, 3, 10**400]}]}, "beyond FP32 at [0, 3]."),
        ({"inputs": [ROW | {"data": [1, 1e39, 3, 4]}]}, "'X' has a number beyond FP32 at [0, 1]."),
        ({"inputs": [ROW, THRESHOLD | {"data": [-1e39]}]}, "'threshold' has a number beyond"),
        (json.dumps({"inputs": [ROW]}).replace("[1, 2,", "[1e400, 2,"), "FP32 at [0, 0]."),
        ({"inputs": [ROW | {"data": None}]}, "'X' has no list"),
        ({"inputs": [ROW | {"data": [[1, 2], [3]]}]}, "has 2 values"),
        ({"inputs": [ROW | {"name": ["X"]}]}, "no input ['X']; known: X, threshold"),
        ({"inputs": [ROW, ROW]}, "The input 'X' is given twice."),
        ({"inputs": [ROW], "outputs": [{"name": {}}]}, "no output {}; known: score"),
        ({"inputs": [ROW], "id": 7}, 'The "id" of a request is a string; got 7.'),
        ('{"inputs": [{"data": [NaN]}]}', "NaN is no JSON: write null"),
        ({"inputs": [ROW], "outputs": [{"name": "z"}]}, "no output 'z'; known: score"),
    ],
)
def test_bad_requests_get_one_sentence(service, body, words):
    got = service.ask("/infer", body)
    assert got.status == 400
    assert list(got.json) == ["error"]
    assert words in got.json["error"]
    assert service.ask("/infer", {"inputs": [ROW]}).status == 200  # it lives on


def test_what_is_too_long_or_elsewhere_is_refused(service):
    assert service.ask("/infer", " " * 30_000).status == 413
    assert service.ask("/infer", None, {"Content-Length": "1e99"}, "POST").status == 411
    assert service.ask("s/infer", {"inputs": [ROW]}).status == 404
    assert service.ask("/other").status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "FETCH"])
def test_other_methods_are_refused_in_json(service, method):
    got = service.ask("/infer", {"inputs": [ROW]}, method=method)
    assert got == (405, {"error": f"There is no method '{method}' here: take GET or POST."})


def test_what_is_no_http_is_refused_in_json(service):
    with socket.create_connection(service.host.split(":"), 30) as connection:
        connection.sendall(b"GET / HTTP/x\r\n\r\n")
        head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    assert b" 400 " in head
    assert list(json.loads(body)) == ["error"]


def test_tables_of_mixed_types_are_served_and_a_signal_ends(tmp_path):
    words = [["u", "v", None][i % 3] for i in range(40)]
    table = pd.DataFrame({"a": np.arange(40) / 7, "kind": words})
    model = Autoencoder(2, max_epochs=2, random_state=0).fit(table)
    model.export(tmp_path / "mixed.onnx", part="score")
    a = {"name": "a", "shape": [2], "datatype": "FP64", "data": [0, 1 / 7]}
    kind = {"name": "kind", "shape": [2], "datatype": "BYTES", "data": ["u", "v"]}
    with serving(tmp_path / "mixed.onnx", "--name", "m") as service:
        assert service.home == "/v2/models/m"
        (got,) = service.ask("/infer", {"inputs": [a, kind]}).json["outputs"]
        np.testing.assert_allclose(got["data"], model.score_samples(table[:2]), rtol=1e-3)
        (gap,) = service.ask("/infer", {"inputs": [a | {"data": [0, None]}, kind]}).json["outputs"]
        assert gap["data"][0] == got["data"][0] != gap["data"][1]
        for odd, words in (
            (a | {"data": [0, "x"]}, "The input 'a' takes FP64; got 'x' at [1]."),
            (kind | {"data": ["u", None]}, "The input 'kind' takes BYTES; got null"),
            (kind | {"data": ["u", "\ud800"]}, "surrogates not allowed at [1]."),
        ):
            others = [one for one in (a, kind) if one["name"] != odd["name"]]
            refused = service.ask("/infer", {"inputs": [odd, *others]})
            assert (refused.status, words in refused.json["error"]) == (400, True)
        uneven = kind | {"shape": [1], "data": ["u"]}
        error = service.ask("/infer", {"inputs": [a, uneven]}).json["error"]
        assert error == "Inputs have one number of rows; got [1, 2]."
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(20) == 0


def test_a_loaded_model_answers_as_in_the_guide(tmp_path, monkeypatch, capsys):
    guide = (SERVER.parents[1] / "guides" / "service.md").read_text()
    monkeypatch.chdir(tmp_path)
    for block in re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL):
        exec(compile(block, "service.md", "exec"), {})
    assert capsys.readouterr().out == "(3,) (3, 2)\n"
