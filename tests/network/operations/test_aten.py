"""ATen operators by name: only pure ones, and only plain data."""

import pytest
import torch

from convscope.errors import InputError
from convscope.network.operations.aten import aten, subscript, view_scatter

IMPURE = "relu_ add_.Tensor add.out from_file set_ empty_like as_strided rand no_such_operator _foreach_add os.system "
IMPURE += "__class__ mean.no_such_overload fbgemm_pack_gemm_matrix_fp16"


@pytest.mark.parametrize("operator", ["", *IMPURE.split()])
def test_only_arithmetic_is_run(operator: str) -> None:
    with pytest.raises(InputError, match=r"is not one of the pure operators|writes into what it is given"):
        aten(torch.zeros(2), operator=operator, arguments=("$0",))


def test_a_name_of_no_tensor_or_type_is_refused() -> None:
    with pytest.raises(InputError, match=r"'\$3' names no tensor; there are \$0, \$p0"):
        aten(torch.zeros(2), operator="add", arguments=("$0", "$3"), p0=torch.zeros(2))
    with pytest.raises(InputError, match=r"'torch.load' is not a type of numbers"):
        aten(torch.zeros(2), operator="to.dtype", arguments=("$0", "torch.load"))
    with pytest.raises(InputError, match="shows no part of a tensor"):
        view_scatter(torch.zeros(2), part=1, kind="relu", attributes={})


def test_sizes_are_those_of_the_run() -> None:
    for batch in (1, 3):
        found = aten(
            torch.zeros(batch, 4, 6),
            operator="reshape",
            arguments=("$0", (("*", "$0.0", 2), ("ceil", "$0.2", 2), 4)),
        )
        assert found.shape == (2 * batch, 3, 4)


@pytest.mark.parametrize(
    "code", [("%", "%9999d", 5), ("*", ("a",), 9), ("+", 1), ("*", "$0", 2), ("//", 1, 2, 3)]
)
def test_arithmetic_is_between_two_sizes(code: tuple[object, ...]) -> None:
    with pytest.raises(InputError, match="two sizes"):
        aten(torch.zeros(2), operator="reshape", arguments=("$0", (code,)))


def test_types_that_are_no_floats_are_made_where_they_are_read() -> None:
    places = torch.tensor([2.0, 0.0])
    assert subscript(torch.arange(3.0), items=("$p0:int64",), p0=places).tolist() == [2, 0]


def test_what_is_written_leaves_the_input_alone() -> None:
    base = torch.zeros(2, 3)
    items = (("slice", None, None, None), 1)
    found = view_scatter(base, part=7, kind="subscript", attributes={"items": items})
    assert found.tolist() == [[0, 7, 0], [0, 7, 0]]
    assert not base.any()
    halves = {"operator": "chunk", "arguments": ("$0", 3, 1)}
    found = view_scatter(base, torch.ones(2, 1), part="$1", kind="aten", attributes=halves, index=2)
    assert found.tolist() == [[0, 0, 1], [0, 0, 1]]
