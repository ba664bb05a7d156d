"""Speech: what TensorFlow's recognizers make of a sound before their first layer."""

from __future__ import annotations

from convscope.formats.operation_plan import OperationPlan
from convscope.formats.tensorflow.translation import Operands, refuse, translates

_MOST = 2**16  # samples of a window, and bands: a file of nobody's needs more


@translates("AudioSpectrogram")
def _spectrogram(operands: Operands) -> OperationPlan:
    node = operands.node
    window, stride = node.integer("window_size"), node.integer("stride")
    if not 2 <= window <= _MOST or stride < 1:
        raise refuse(node, f"with windows of {window} samples every {stride}")
    attributes = {"window": window, "stride": stride, "squared": node.flag("magnitude_squared")}
    return OperationPlan("sound_spectrogram", [operands.value(0)], {}, attributes)


@translates("Mfcc")
def _cepstrum(operands: Operands) -> OperationPlan:
    node, rate = operands.node, operands.known(1)
    if rate is None or rate.size != 1 or not rate.item() > 0:
        raise refuse(node, "whose sampling rate is worked out from the sound")
    attributes = {
        "rate": float(rate.item()),
        "lowest": node.number("lower_frequency_limit", 20.0),
        "highest": node.number("upper_frequency_limit", 4000.0),
        "bands": node.integer("filterbank_channel_count", 40),
        "coefficients": node.integer("dct_coefficient_count", 13),
    }
    lowest, highest, bands = attributes["lowest"], attributes["highest"], attributes["bands"]
    if (
        not 0 <= lowest < highest <= attributes["rate"] / 2
        or not 0 < bands <= _MOST
        or operands.shape(0)[-1] < 2
    ):
        raise refuse(
            node, f"of {bands} bands from {lowest:g} to {highest:g} hertz in a sound of {rate.item():g}"
        )
    return OperationPlan("mel_cepstrum", [operands.value(0)], {}, attributes)
