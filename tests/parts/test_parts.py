"""The slots: spellings, validation, and what holds for every part, known now or added later."""

import json
import pickle
from dataclasses import fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from isthmus import KL, L1, L2, MAE, MSE, Autoencoder, Dense, Gaussian, Lp, TopK, Uniform
from isthmus.model.slots import SLOTS
from isthmus.parts.architectures import Architecture
from isthmus.parts.corruptions import Corruption
from isthmus.parts.losses import Loss
from isthmus.parts.part import Part, parse, resolve
from isthmus.parts.penalties import Penalty
from isthmus.parts.sparsity import Sparsity

PARTS = [(slot, part) for slot, _ in SLOTS.values() for part in slot.known.values()]


@pytest.mark.parametrize(("slot", "part"), PARTS)
def test_four_spellings_of_every_part(slot, part):
    default = part()
    default.validate()
    changed = {
        f.name: 0.5
        for f in fields(part)
        if f.metadata.get("whole") is False and not f.metadata["interval"].startswith("[1,")
    }
    ranges = {
        f.name: (1.25, 1.5) if f.metadata["interval"].startswith("[1,") else (0.25, 0.5)
        for f in fields(part)
        if f.metadata.get("ranged")
    }
    for instance in (default, replace(default, **changed), replace(default, **ranges)):
        assert resolve(slot, instance.to_string()) == instance
        assert resolve(slot, json.loads(json.dumps(instance.to_dict()))) == instance
        assert resolve(slot, instance) == instance
        assert resolve(slot, instance) is not instance
        assert clone(instance) == instance
        assert pickle.loads(pickle.dumps(instance)) == instance
        assert eval(repr(instance), {part.__name__: part}) == instance


@pytest.mark.parametrize(("slot", "part"), PARTS)
def test_every_part_is_documented(slot, part):
    text = part.__doc__
    assert "Examples\n" in text
    assert all(
        f"{f.name} :" in text or f", {f.name} :" in text or f"{f.name}, " in text
        for f in fields(part)
    )


@pytest.mark.parametrize(("slot", "part"), PARTS)
def test_numbers_are_leaves_and_the_rest_is_structure(slot, part):
    numbers = [f.name for f in fields(part) if f.metadata.get("whole") is False]
    leaves, structure = jax.tree.flatten(part())
    assert len(leaves) == sum(getattr(part(), name) is not None for name in numbers)
    assert jax.tree.unflatten(structure, leaves) == part()


@pytest.mark.parametrize(("slot", "part"), PARTS)
def test_every_number_out_of_its_interval_is_refused_by_name(slot, part):
    for f in fields(part):
        interval = f.metadata.get("interval", "(-inf, inf)")
        low, high = (float(end) for end in interval[1:-1].split(","))
        for bad in ([low - 1] if low > -np.inf else []) + ([high + 1] if high < np.inf else []):
            with pytest.raises(ValueError, match=rf"{part.name}' needs {f.name} to be .*got"):
                resolve(slot, replace(part(), **{f.name: bad}))
        if "interval" in f.metadata:
            with pytest.raises(ValueError, match="got 'much'"):
                resolve(slot, replace(part(), **{f.name: "much"}))
            with pytest.raises(ValueError, match="got nan"):
                resolve(slot, replace(part(), **{f.name: float("nan")}))


@pytest.mark.parametrize("ends", [[0.02, 0.2], (0.02, 0.2), [np.float32(0), np.float32(1)]])
def test_a_range_has_one_form_and_two_leaves(ends):
    part = resolve(Corruption, Gaussian(std=ends))
    assert part.std == tuple(ends)
    assert jax.tree.leaves(part) == list(ends)
    assert resolve(Corruption, {"name": "gaussian", "std": list(ends)}) == part


def test_parsing():
    assert parse("kl") == ("kl", {})
    assert parse("kl: rho=0.05, weight=1") == ("kl", {"rho": 0.05, "weight": 1})
    _, params = parse("dense:hidden=[128,64],activation=tanh,tied=true,norm=none")
    assert params == {"hidden": [128, 64], "activation": "tanh", "tied": True, "norm": None}
    assert resolve(Architecture, "dense:hidden=[128,64]") == Dense(hidden=(128, 64))
    assert resolve(Architecture, "dense:hidden=(8,4)").hidden == (8, 4)
    assert resolve(Architecture, "dense:hidden=8").hidden == (8,)
    assert resolve(Sparsity, "none") is None


@pytest.mark.parametrize(
    ("slot", "spec", "error", "message"),
    [
        (
            Sparsity,
            "topkk",
            ValueError,
            "Unknown sparsity 'topkk'. Did you mean 'topk'\\? Known: kl, l1",
        ),
        (Loss, "zzz", ValueError, "Unknown loss 'zzz'. Known: bce"),
        (Sparsity, "kl:roh=0.1", ValueError, "no parameter 'roh'. Did you mean 'rho'"),
        (Sparsity, "kl:0.1", ValueError, "'0.1' is not of the form parameter=value"),
        (Sparsity, KL, TypeError, r"is the class KL; give KL\(\)"),
        (Sparsity, 3, TypeError, "must be None, a name, a spec string, a dict"),
        (Sparsity, Gaussian(), TypeError, "must be None, a name"),
        (Sparsity, {"rho": 0.1}, TypeError, "a dict with a 'name'"),
        (Sparsity, KL(rho=1.5), ValueError, r"needs rho to be a number in \(0, 1\); got 1.5"),
        (Sparsity, TopK(k=0), ValueError, r"needs k to be a whole number in \[1, inf\); got 0"),
        (Sparsity, TopK(k=2.5), ValueError, "whole number"),
        (Corruption, Gaussian(std=True), ValueError, "got True"),
        (
            Corruption,
            "gaussian:std=[0.2,0.1]",
            ValueError,
            r"or a range of two such as \[low,high\]",
        ),
        (
            Corruption,
            "gaussian:std=[-1,1]",
            ValueError,
            r"in \[0, inf\), or a range.*got \(-1, 1\)",
        ),
        (Corruption, Gaussian(std=(0.1, True)), ValueError, r"got \(0.1, True\)"),
        (Corruption, "gaussian:std=[0.1]", ValueError, r"got \(0.1,\)"),
        (Corruption, "masking:rate=[0.1,0.2]", ValueError, r"in \[0, 1\]; got \(0.1, 0.2\)"),
        (Architecture, "dense:hidden=[0]", ValueError, "layer widths of at least 1"),
        (Architecture, "dense:hidden=abc", ValueError, "layer widths"),
        (Architecture, "dense:activation=rely", ValueError, "Did you mean 'relu'"),
        (Loss, Lp(p=0.5), ValueError, r"in \[1, inf\)"),
        (Penalty, "l2:on=decoder", ValueError, "got 'decoder'"),
    ],
)
def test_bad_specs_get_one_clear_sentence(slot, spec, error, message):
    with pytest.raises(error, match=message):
        resolve(slot, spec)


def test_a_new_part_needs_one_class_and_no_other_line():
    from dataclasses import dataclass

    from isthmus.parts.part import number

    try:

        @dataclass
        class Hoyer(Sparsity, name="hoyer"):
            """Hoyer's measure."""

            weight: float = number(1e-3, "[0, inf)")

            def penalty(self, step, state):
                z = step.z
                share = jnp.sum(jnp.abs(z), axis=1) ** 2 / (jnp.sum(z**2, axis=1) + 1e-6)
                return self.weight * step.mean(share)

        X = np.random.default_rng(0).normal(size=(30, 5))
        ae = Autoencoder(3, sparsity="hoyer:weight=0.1", max_epochs=2, random_state=0).fit(X)
        assert ae.history_["hoyer"][0] > 0
        with pytest.raises(TypeError, match="exists already"):
            type("Again", (Sparsity,), {}, name="hoyer")
    finally:
        Sparsity.known.pop("hoyer", None)


def test_a_part_must_be_a_dataclass():
    with pytest.raises(TypeError, match="^Bare is no dataclass: write @dataclass above the class"):
        resolve(Sparsity, type("Bare", (Sparsity,), {})())


@pytest.mark.parametrize("pair", [(MSE, MAE), (Gaussian, Uniform), (L1, L2)])
def test_parts_of_alike_fields_are_other_structures_and_so_other_programs(pair):
    """Two classes that `jax.tree_util.register_dataclass` knows are not."""
    first, second = (jax.tree.structure(part()) for part in pair)
    assert first != second
    assert first == jax.tree.structure(pair[0]())


def test_slots_do_not_share_names():
    assert set(Sparsity.known).isdisjoint(Loss.known)
    assert Part.known == {}


@given(
    rho=st.floats(0.01, 0.99),
    weight=st.floats(0, 1e6),
    hidden=st.lists(st.integers(1, 10**6), max_size=5),
    activation=st.sampled_from(["tanh", "relu", "logistic"]),
)
def test_spec_strings_keep_every_value(rho, weight, hidden, activation):
    for slot, part in (
        (Sparsity, KL(rho=rho, weight=weight)),
        (Architecture, Dense(hidden=tuple(hidden), activation=activation)),
    ):
        assert resolve(slot, part.to_string()) == part
        assert resolve(slot, json.loads(json.dumps(part.to_dict()))) == part


def outcome(text):
    try:
        part = resolve(Sparsity, text)
    except (ValueError, TypeError) as error:
        return str(error)
    return "none" if part is None else part.name


@given(st.text(max_size=30))
def test_no_text_gets_past_the_parser_unnoticed(text):
    told = outcome(text)
    assert "sparsity" in told or "spec" in told or told in text


@given(
    st.dictionaries(
        st.sampled_from(sorted(Autoencoder().get_params(deep=False))),
        st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.booleans()),
    )
)
def test_constructing_and_setting_never_raise(params):
    ae = Autoencoder(**params)
    ae.set_params(**params)
    same = ae.get_params(deep=False)
    assert all(same[name] is value for name, value in params.items())
