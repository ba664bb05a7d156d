"""Graphs that read no numbers but records and files: what the reader makes is their input, here speech and features."""

from pathlib import Path

import numpy as np
import pytest
import torch
from google.protobuf.message import Message

from convscope import ConvscopeWarning, open_network
from graph_def_writer import GraphWriter

TIMES = np.arange(70)
SOUND = np.stack(
    [np.sin(TIMES * TIMES / 40) * (TIMES % 23) / 23, np.where(TIMES < 40, 0, np.cos(TIMES * 1.1))]
).astype(np.float32)
# Numbers of TensorFlow 2.21's own: every second time, every fifth frequency; and all coefficients. The first half of
# the second channel is silent.
AMPLITUDES = [
    [[0.24438693, 1.6605473, 0.04465829, 0.01128505], [0.03032787, 0.01112561, 3.2782452, 0.41892052]],
    [[0, 0, 0, 0], [0.54279876, 2.382882, 0.7310054, 0.5010812]],
]
CEPSTRUM = [
    [
        [1.4293445, 0.67714858, -1.8401548],
        [2.2099466, -0.67936093, -0.66941601],
        [-3.8640301, -4.6122308, 1.2918023],
        [-5.4510102, -3.5572217, 0.41598985],
    ],
    [
        [-87.376961, 0, 0],
        [-87.376961, 0, 0],
        [2.5250776, -1.7550358, -0.76293612],
        [-0.74781990, -3.5849967, -2.3281217],
    ],
]


def speech(folder: Path) -> Path:
    """Write what a speech recognizer does with a WAV file before its first layer."""
    g = GraphWriter()
    g.node("Placeholder", "wav_data", dtype="DT_STRING", shape=())
    wav = g.node("DecodeWav", "wav", "wav_data", T=None, desired_samples=70, desired_channels=2)
    window = {"window_size": 24, "stride": 13, "T": None}
    g.node("AudioSpectrogram", "amplitudes", wav, **window, magnitude_squared=False)
    power = g.node("AudioSpectrogram", "power", wav, **window, magnitude_squared=True)
    g.node(
        "Mfcc", "cepstrum", power, f"{wav}:1", T=None, upper_frequency_limit=7000.0,
        lower_frequency_limit=200.0, filterbank_channel_count=5, dct_coefficient_count=3,
    )  # fmt: skip
    return g.save(folder / "speech.pb")


def test_a_sound_becomes_what_tensorflow_makes_of_it(tmp_path: Path) -> None:
    with pytest.warns(ConvscopeWarning, match=r"'wav' is the input: DecodeWav.*\(channels, samples\)"):
        network = open_network(speech(tmp_path))
    assert not network.graph.cut and network.graph.inputs == {"wav": (2, 70)}
    heard = network.activations(torch.from_numpy(SOUND), "amplitudes", "cepstrum")
    found = heard["amplitudes"][:, ::2, ::5]
    torch.testing.assert_close(found, torch.tensor(AMPLITUDES), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(heard["cepstrum"], torch.tensor(CEPSTRUM), rtol=1e-5, atol=2e-5)
    gradient = network.gradient(torch.from_numpy(SOUND), "cepstrum")
    assert gradient.isfinite().all() and gradient[0].abs().sum() > 0, (
        "silence has no slope, and none beyond all"
    )


def test_the_numbers_of_records_are_the_inputs(tmp_path: Path) -> None:
    """Of a record's features those of numbers are inputs; a text is not, and cuts what reads it."""
    g = GraphWriter()
    g.node("Placeholder", "record", dtype="DT_STRING", shape=(-1,))
    reader = g.node("ParseExample", "parsed", "record", T=None, Nsparse=1, Ndense=3)
    kinds = g.message.node[-1].attr.add(key="Tdense").value.list.type
    kinds.extend([1, 7, 9])
    _state(g.message.node[-1], "dense_shapes", [(2, 3), (), (3,)])
    whole = g.node("Cast", "whole", f"{reader}:5", SrcT="DT_INT64", DstT="DT_FLOAT")
    column = g.node("ExpandDims", "column", whole, g.const("axis", 2))
    g.node("BatchMatMulV2", "answer", f"{reader}:3", column)
    g.node("Identity", "text", f"{reader}:4")
    inputs = "'parsed/3', 'parsed/5' are the inputs: ParseExample"
    with (
        pytest.warns(ConvscopeWarning, match=inputs),
        pytest.warns(ConvscopeWarning, match="'text' is cut off"),
    ):
        network = open_network(g.save(tmp_path / "record.pb"))
    assert network.graph.inputs == {"parsed/3": (1, 2, 3), "parsed/5": (1, 3)}
    assert list(network.graph.cut) == ["text"]
    table, numbers = torch.tensor([[[1.5, 2, 3], [4, 5, -6]]]), torch.tensor([[3.0, -1, 2]])
    found = network.activations({"parsed/3": table, "parsed/5": numbers}, "answer")["answer"]
    assert found.ravel().tolist() == [8.5, -5.0]


def test_bytes_become_the_picture_that_they_are_reshaped_to(tmp_path: Path) -> None:
    g = GraphWriter()
    g.node("Placeholder", "bytes", dtype="DT_STRING", shape=())
    raw = g.node("DecodeRaw", "raw", "bytes", T=None, out_type="DT_UINT8")
    picture = g.node("Reshape", "picture", raw, g.const("sizes", [-1, 4, 5, 3]))
    g.node("Cast", "answer", picture, SrcT="DT_UINT8", DstT="DT_FLOAT")
    with pytest.warns(ConvscopeWarning, match="'raw' is the input: DecodeRaw"):
        network = open_network(g.save(tmp_path / "raw.pb"))
    assert network.graph.inputs == {"raw": (1, 4, 5, 3)}


@pytest.mark.parametrize("of", ["data set", "queue"])
def test_a_batch_of_a_data_set_or_a_queue_is_the_input(tmp_path: Path, of: str) -> None:
    """A graph frozen with the data set it was trained on had "no input"; here `batch:1` are its pictures."""
    g = GraphWriter()
    one, many = [(), (4, 5, 3)], [(-1,), (-1, 4, 5, 3)]
    if of == "data set":
        g.node("IteratorV2", "source", T=None)
        batch = g.node("IteratorGetNext", "batch", "source", T=None)
        _state(g.message.node[1], "output_shapes", many)
    else:
        g.node("FIFOQueueV2", "source", T=None)
        batch = g.node("QueueDequeueManyV2", "batch", "source", g.const("count", 8), T=None)
        _state(g.message.node[0], "shapes", one)
    types = "output_types" if of == "data set" else "component_types"
    node = next(node for node in g.message.node if node.name == "batch")
    node.attr.add(key=types).value.list.type.extend([9, 1])  # int64 and float
    g.node("Relu", "answer", f"{batch}:1")
    with pytest.warns(ConvscopeWarning, match=r"'batch/1' is the input: \w+, which reads a data set"):
        network = open_network(g.save(tmp_path / "batch.pb"))
    assert network.graph.inputs == {"batch/1": (1, 4, 5, 3)} and not network.graph.cut
    picture = torch.linspace(-1, 1, 60).reshape(1, 4, 5, 3)
    torch.testing.assert_close(network.activations(picture, "answer")["answer"], picture.relu())


def _state(node: Message, key: str, shapes: list[tuple[int, ...]]) -> None:
    stated = node.attr.add(key=key).value.list.shape
    for sizes in shapes:
        stated.add().SetInParent()
        for size in sizes:
            stated[-1].dim.add(size=size)
