"""Recurrent layers against loops written from Caffe's own layers, and the facts of its LSTM and RNN tests."""

import numpy as np
import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.caffe_recurrent import lstm, lstm_unit, rnn

FEATURES = 7


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def loop_lstm(x, cont, weights, static=None, hidden=None, cell=None):
    """One number at a time: the gates in the order i, f, o, g; cont cuts what is remembered."""
    times, batch = cont.shape
    rows = x.reshape(times, batch, -1)
    output = np.zeros((times, batch, FEATURES))
    for n in range(batch):
        h = np.zeros(FEATURES) if hidden is None else hidden[0, n].copy()
        c = np.zeros(FEATURES) if cell is None else cell[0, n].copy()
        for t in range(times):
            gates = (
                weights["weight"] @ rows[t, n] + weights["bias"] + weights["hidden_weight"] @ (cont[t, n] * h)
            )
            if static is not None:
                gates = gates + weights["static_weight"] @ static[n].ravel()
            for d in range(FEATURES):
                i, f, o, g = (gates[block * FEATURES + d] for block in range(4))
                forget = cont[t, n] * sigmoid(f) if cont[t, n] else 0.0
                c[d] = forget * c[d] + sigmoid(i) * np.tanh(g)
                h[d] = sigmoid(o) * np.tanh(c[d])
            output[t, n] = h
    return output


def loop_rnn(x, cont, weights, static=None, hidden=None):
    times, batch = cont.shape
    rows = x.reshape(times, batch, -1)
    output = np.zeros((times, batch, FEATURES))
    for n in range(batch):
        h = np.zeros(FEATURES) if hidden is None else hidden[0, n].copy()
        for t in range(times):
            terms = (
                weights["weight"] @ rows[t, n] + weights["bias"] + weights["hidden_weight"] @ (cont[t, n] * h)
            )
            if static is not None:
                terms = terms + weights["static_weight"] @ static[n].ravel()
            h = np.tanh(terms)
            output[t, n] = np.tanh(weights["output_weight"] @ h + weights["output_bias"])
    return output


def weights_of(kind, has_static):
    rows = FEATURES * (4 if kind == "lstm" else 1)
    shapes = {"weight": (rows, 6), "bias": (rows,), "hidden_weight": (rows, FEATURES)}
    if has_static:
        shapes["static_weight"] = (rows, 24)
    if kind == "rnn":
        shapes |= {"output_weight": (FEATURES, FEATURES), "output_bias": (FEATURES,)}
    return {role: 0.5 * normal(*shape, seed=seed) for seed, (role, shape) in enumerate(shapes.items())}


def tensors(arrays):
    return {role: torch.tensor(values) for role, values in arrays.items()}


X = normal(5, 3, 3, 2, seed=10)
CONT = np.array([[0, 1, 0], [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0]], dtype=np.float64)
STATIC = normal(3, 2, 3, 4, seed=11)


@pytest.mark.parametrize(("kind", "function", "loop"), [("lstm", lstm, loop_lstm), ("rnn", rnn, loop_rnn)])
@pytest.mark.parametrize("has_static", [False, True])
def test_values_are_those_of_loops(kind, function, loop, has_static):
    weights = weights_of(kind, has_static)
    others = [torch.tensor(STATIC)] if has_static else []
    output = function(torch.tensor(X), torch.tensor(CONT), *others, **tensors(weights))
    expected = loop(X, CONT, weights, STATIC if has_static else None)
    np.testing.assert_allclose(output, expected, atol=1e-12)


@pytest.mark.parametrize("has_static", [False, True])
def test_exposed_states_come_in_and_go_out(has_static):
    """A sequence in two halves, the states handed over, is the sequence in one."""
    for kind, function, loop, states in (("lstm", lstm, loop_lstm, 2), ("rnn", rnn, loop_rnn, 1)):
        weights = weights_of(kind, has_static)
        begin = [normal(1, 3, FEATURES, seed=20 + state) for state in range(states)]
        static = [torch.tensor(STATIC)] if has_static else []
        x, cont, keywords = torch.tensor(X), torch.tensor(CONT), {**tensors(weights), "expose_hidden": True}
        handed = [torch.tensor(state) for state in begin]
        first, *handed = function(x[:2], cont[:2], *static, *handed, **keywords)
        assert [state.shape for state in handed] == [(1, 3, FEATURES)] * states
        second, *_ = function(x[2:], cont[2:], *static, *handed, **keywords)
        expected = loop(X, CONT, weights, STATIC if has_static else None, *begin)
        np.testing.assert_allclose(torch.cat([first, second]), expected, atol=1e-12)


@pytest.mark.parametrize(("kind", "function"), [("lstm", lstm), ("rnn", rnn)])
def test_the_facts_of_caffes_forward_test(kind, function):
    """A sequence that never goes on differs from one that does, except at its first time."""
    weights = tensors(weights_of(kind, False))
    begins = torch.ones(5, 3).double()
    begins[0] = 0
    goes_on = function(torch.tensor(X), begins, **weights)
    assert goes_on.shape == (5, 3, FEATURES)
    alone = torch.cat([function(torch.tensor(X)[t : t + 1], 0 * begins[:1], **weights) for t in range(5)])
    torch.testing.assert_close(alone, function(torch.tensor(X), 0 * begins, **weights))
    torch.testing.assert_close(alone[0], goes_on[0])
    assert (alone[1:] != goes_on[1:]).all()


def test_a_unit_is_one_time_of_an_lstm():
    cell, gates = normal(1, 3, FEATURES), normal(1, 3, 4 * FEATURES, seed=1)
    cont = torch.tensor([[1.0, 0.0, 1.0]]).double()
    next_cell, hidden = lstm_unit(torch.tensor(cell), torch.tensor(gates), cont)
    i, f, o, g = np.split(gates, 4, axis=-1)
    expected = cont.numpy()[..., None] * sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(next_cell, expected)
    np.testing.assert_allclose(hidden, sigmoid(o) * np.tanh(expected))


@pytest.mark.parametrize(("kind", "function"), [("lstm", lstm), ("rnn", rnn)])
def test_inputs_that_do_not_belong_together_are_refused(kind, function):
    weights = tensors(weights_of(kind, False))
    with pytest.raises(InputError, match="and 0 more inputs, found 5x3x3x2, 3x5"):
        function(torch.tensor(X), torch.tensor(CONT.T.copy()), **weights)
    with pytest.raises(InputError, match="more inputs, found 5x3x3x2, 5x3, 3x2x3x4"):
        function(torch.tensor(X), torch.tensor(CONT), torch.tensor(STATIC), **weights)
    with pytest.raises(InputError, match="gates of 1x3x7 do not fit a cell of 1x3x7"):
        lstm_unit(torch.zeros(1, 3, 7), torch.zeros(1, 3, 7), torch.zeros(1, 3))
