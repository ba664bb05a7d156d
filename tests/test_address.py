import pytest

from convscope.address import Address, parse_address
from convscope.errors import UnknownLayer


@pytest.mark.parametrize(
    "text, address",
    [
        ("mixed4a", Address("mixed4a")),
        ("mixed4a:42", Address("mixed4a", 42)),
        ("mixed4a:42@3,5", Address("mixed4a", 42, (3, 5))),
        ("mixed4a@3,5", Address("mixed4a", None, (3, 5))),
        ("prob:tabby", Address("prob", "tabby")),
        ("prob:tabby, tabby cat", Address("prob", "tabby, tabby cat")),
        ("inception_3a/1x1:7", Address("inception_3a/1x1", 7)),
        ("conv1@conv1", Address("conv1@conv1")),
        ("conv1@conv1:7@0,12", Address("conv1@conv1", 7, (0, 12))),
        ("boxes:1200@4", Address("boxes", 1200, (4,))),
        ("frames:3@2,14,9", Address("frames", 3, (2, 14, 9))),
    ],
)
def test_text_both_ways(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


def test_a_name_the_network_has_wins() -> None:
    names = {"x:0", "a:b", "odd@1,2"}
    assert parse_address("x:0", names) == Address("x:0")
    assert parse_address("x:0:3", names) == Address("x:0", 3)
    assert parse_address("odd@1,2", names) == Address("odd@1,2")
    assert parse_address("odd@1,2@0,0", names) == Address("odd@1,2", None, (0, 0))
    assert parse_address("a:b:ratio 1:2", names) == Address("a:b", "ratio 1:2")


@pytest.mark.parametrize("text", ["", ":3", "conv1:"])
def test_what_is_not_an_address(text: str) -> None:
    with pytest.raises(UnknownLayer, match="not an address"):
        parse_address(text)


@pytest.mark.parametrize("text", ["conv1:" + "9" * 5000, f"conv1:1@{'9' * 5000},1", "conv1@1," + "9" * 5000])
def test_numbers_no_layer_has_are_one_line(text: str) -> None:
    with pytest.raises(UnknownLayer, match="no layer has as many channels, rows or columns") as caught:
        parse_address(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("position", [(-1, -1), (0, -1), ()])
def test_a_position_is_counted_from_zero(position: tuple[int, ...]) -> None:
    with pytest.raises(UnknownLayer, match="counted from 0; not"):
        Address("conv1", 0, position)
