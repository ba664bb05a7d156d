"""The zip around a Keras 3 model: read where it lies, and only as far as the file deserves."""

import io
import zipfile

import numpy as np
import pytest

from convscope.errors import NetworkFileError
from convscope.formats.keras.archive import Member, read_json
from convscope.formats.keras.weights import read_weights


def packed(path, contents, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
    return str(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_is_read_like_a_file(tmp_path, compression):
    data = np.random.default_rng(0).bytes(5000)
    member = Member(packed(tmp_path / "a.zip", {"first": b"x" * 77, "second": data}, compression), "second")
    expected = io.BytesIO(data)
    with member.open() as found:
        for offset, whence, size in ((10, 0, 20), (5, 1, 1), (-30, 2, 100), (0, 0, 6000), (9999, 0, 5)):
            assert found.seek(offset, whence) == expected.seek(offset, whence)
            assert found.read(size) == expected.read(size)
            assert found.tell() == expected.tell()


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    path = packed(tmp_path / "bomb.keras", {"model.weights.h5": bytes(2**28)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(
        NetworkFileError, match="would take far more memory than the file is large; it is refused"
    ):
        read_weights(Member(path, "model.weights.h5"))


def test_a_bomb_that_says_it_is_large_is_refused_too(tmp_path):
    path = packed(tmp_path / "bomb.keras", {"model.weights.h5": bytes(2**28)}, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(path) as archive:
        packed_size = archive.getinfo("model.weights.h5").compress_size.to_bytes(4, "little")
    data = bytearray((tmp_path / "bomb.keras").read_bytes())
    at = data.index(packed_size, data.index(b"PK\x01\x02"))
    data[at : at + 4] = (2**31 - 1).to_bytes(4, "little")
    (tmp_path / "bomb.keras").write_bytes(data)
    with pytest.raises(NetworkFileError, match="far more memory than the file is large"):
        read_weights(Member(path, "model.weights.h5"))


def test_what_is_missing_or_no_json_is_said(tmp_path):
    path = packed(tmp_path / "net.keras", {"config.json": "{", "other": ""})
    assert read_json(tmp_path / "net.keras", "metadata.json") is None
    with pytest.raises(NetworkFileError, match=r"config\.json is not JSON"):
        read_json(tmp_path / "net.keras", "config.json")
    with pytest.raises(NetworkFileError, match=r"has no model\.weights\.h5; it holds config\.json, other"):
        read_weights(Member(path, "model.weights.h5"))


def test_damage_anywhere_is_told_in_one_line(tmp_path):
    packed(tmp_path / "net.keras", {"config.json": "{}" * 50}, zipfile.ZIP_DEFLATED)
    whole = bytearray((tmp_path / "net.keras").read_bytes())
    for at in range(0, len(whole), 3):
        damaged = whole.copy()
        damaged[at] ^= 0xFF
        (tmp_path / "damaged.keras").write_bytes(damaged)
        try:
            read_json(tmp_path / "damaged.keras", "config.json")
        except NetworkFileError as error:
            assert "\n" not in str(error)
