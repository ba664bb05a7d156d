import resource
import struct

import h5py
import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.caffe.weights import read_weights


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.caffemodel.h5"


def refused(path):
    with pytest.raises(NetworkFileError) as error:
        read_weights(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message.removeprefix(str(path))


def test_a_real_file_gives_h5pys_numbers(shared_data):
    path = shared_data / "caffe" / "cifar10_quick" / "cifar10_quick_iter_5000.caffemodel.h5"
    weights = read_weights(path)
    assert sorted(weights) == ["conv1", "conv2", "conv3", "ip1", "ip2"]
    with h5py.File(path) as opened:
        for name, blobs in weights.items():
            assert len(blobs) == len(opened["data"][name]) == 2
            for index, blob in enumerate(blobs):
                array = blob.array()
                assert np.array_equal(array, opened["data"][name][str(index)][()])
                assert array.flags.writeable
                assert array.dtype == np.float32


def test_the_content_decides_not_the_name(tmp_path):
    path = tmp_path / "x.caffemodel"
    with h5py.File(path, "w") as opened:
        opened["data/conv/0"] = np.float64([[1, 2]])
    assert read_weights(path)["conv"][0].array().tolist() == [[1, 2]]


def test_names_with_slashes_left_out_blobs_and_groups_without_any(path):
    with h5py.File(path, "w") as opened:
        opened["data/conv1/7x7_s2/1"] = np.int32([3])
        opened["data/conv1/7x7_s2/0"] = np.float16([[0.5]])
        opened["data/shared/1"] = np.float32([4])
        opened["data/scalar/0"] = np.float32(2)
        opened.create_group("data/relu")
        opened["diff/conv1/0"] = np.zeros(3)
    weights = read_weights(path)
    assert sorted(weights) == ["conv1/7x7_s2", "scalar", "shared"]
    assert [blob.array().tolist() for blob in weights["conv1/7x7_s2"]] == [[[0.5]], [3]]
    assert weights["shared"][0] is None
    assert weights["shared"][1].array().tolist() == [4]
    assert weights["scalar"][0].array().shape == ()


def test_compressed_weights_are_read(path):
    numbers = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
    with h5py.File(path, "w") as opened:
        opened.create_dataset("data/fc/0", data=numbers, compression="gzip", chunks=True)
    assert np.array_equal(read_weights(path)["fc"][0].array(), numbers)


def test_links_to_other_files_are_not_followed(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["data/fc/0"] = np.ones(3, np.float32)
    with h5py.File(path, "w") as opened:
        opened.create_group("data/fc")["0"] = h5py.ExternalLink("secret.h5", "data/fc/0")
    assert refused(path) == " has a link at '/data/fc/0'; convscope reads weights from this file alone."


@pytest.mark.parametrize("where", ["/data", "/data/fc", "/data/fc/0"])
def test_soft_links_are_not_followed(path, where):
    with h5py.File(path, "w") as opened:
        opened["elsewhere"] = np.ones(3, np.float32)
        opened[where] = h5py.SoftLink("/elsewhere")
    assert refused(path) == f" has a link at {where!r}; convscope reads weights from this file alone."


def test_numbers_kept_outside_are_refused(path, tmp_path):
    (tmp_path / "raw").write_bytes(np.ones(3, np.float32).tobytes())
    with h5py.File(path, "w") as opened:
        opened.create_dataset("data/fc/0", shape=(3,), dtype="f4", external=[(str(tmp_path / "raw"), 0, 12)])
    assert refused(path).startswith(", layer 'fc', blob 0 is stored in another file;")


def test_virtual_datasets_are_refused(path, tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as other:
        other["x"] = np.ones(3, np.float32)
    layout = h5py.VirtualLayout(shape=(3,), dtype="f4")
    layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "x", shape=(3,))
    with h5py.File(path, "w") as opened:
        opened.create_virtual_dataset("data/fc/0", layout)
    assert refused(path).startswith(", layer 'fc', blob 0 is stored in another file;")


@pytest.mark.parametrize("shape", [(2**20, 2**20), (2**14, 2**14)])
def test_a_bomb_is_refused_before_memory_is_taken(path, shape):
    with h5py.File(path, "w") as opened:
        opened.create_dataset("data/fc/0", shape=shape, dtype="f4", chunks=(1, 1024), compression="gzip")
    assert path.stat().st_size < 10_000
    assert (
        refused(path)
        == ", layer 'fc', blob 0 would take far more memory than the file is large; it is refused."
    )


def test_many_bombs_count_together(path):
    with h5py.File(path, "w") as opened:
        for index in range(30):
            opened.create_dataset(f"data/fc{index}/0", shape=(2**20,), dtype="f4", chunks=(1024,))
    assert "would take far more memory" in refused(path)


def test_groups_that_contain_themselves_are_refused(path):
    with h5py.File(path, "w") as opened:
        group = opened.create_group("data/a")
        group["b"] = group
    assert refused(path).startswith(" has groups that contain themselves, at '/data/a/b'")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data/fc/0", np.array([b"text"]), ", layer 'fc', blob 0 holds |S4, not numbers."),
        ("data/fc/0", h5py.Empty("f4"), ", layer 'fc', blob 0 holds float32, not numbers."),
        (
            "data/fc/weight",
            np.ones(1),
            " has a dataset '/data/fc/weight'; weights are /data/<layer>/<0, 1, ...>.",
        ),
        (
            "data/fc/9999999999",
            np.ones(1),
            " has a dataset '/data/fc/9999999999'; weights are /data/<layer>/<0, 1, ...>.",
        ),
        ("data/0", np.ones(1), " has a dataset '/data/0'; weights are /data/<layer>/<0, 1, ...>."),
        (
            "iter",
            np.int32(5),
            " is a solver's state, saved while training: use the .caffemodel.h5 saved beside it.",
        ),
        ("model_weights/x", np.ones(1), " is a Keras file: open it by itself."),
        ("other", np.ones(1), " is not Caffe's: it has no group /data, but other."),
    ],
)
def test_other_contents(path, name, value, message):
    with h5py.File(path, "w") as opened:
        opened[name] = value
    assert refused(path) == message


def test_nothing_in_it(path):
    h5py.File(path, "w").close()
    assert refused(path) == " is not Caffe's: it has no group /data, but nothing."
    with h5py.File(path, "w") as opened:
        opened.create_group("data")
    assert refused(path) == " holds no weights: its group /data is empty."


def test_a_file_cut_short(shared_data, path):
    data = (shared_data / "caffe" / "cifar10_quick" / "cifar10_quick_iter_5000.caffemodel.h5").read_bytes()
    for size in (100, 3000, len(data) - 1):
        path.write_bytes(data[:size])
        assert refused(path).startswith(" is a damaged HDF5 file: ")


def test_a_list_in_the_file_that_never_ends_does_not_fill_the_memory(path):
    with h5py.File(path, "w") as opened:
        opened["data/fc/0"] = np.ones(64, np.float32)
    data = bytearray(path.read_bytes())
    heap = data.rindex(b"HEAP")  # the names of the group /data/fc
    free, segment = struct.unpack_from("<QQ", data, heap + 16)
    struct.pack_into(
        "<Q", data, segment + free, free
    )  # its first free block says that it is the next one, too
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refused(path).startswith(" is a damaged HDF5 file: ")
    assert (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**20
    )  # KiB; without a ceiling: all there is


def test_a_file_that_is_gone_when_its_numbers_are_wanted(path):
    with h5py.File(path, "w") as opened:
        opened["data/fc/0"] = np.ones(3)
    weights = read_weights(path)
    path.unlink()
    with pytest.raises(
        NetworkFileError, match=r"x\.caffemodel\.h5 is no longer there: open the network again"
    ):
        weights["fc"][0].array()
