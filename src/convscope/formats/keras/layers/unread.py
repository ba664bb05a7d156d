"""A setting that a layer's translation does not look at is refused, unless it is known to change no number."""

from __future__ import annotations

from typing import Any

from convscope.formats.keras.layers.translation import Use
from convscope.formats.settings import Settings

_FOR_TRAINING = frozenset({
    *("dropout", "recurrent_dropout", "rate", "noise_shape", "stddev", "seed", "momentum", "synchronized"),
    *("unit_forget_bias", "virtual_batch_size", "power_iterations"),
    *("renorm", "renorm_clipping", "renorm_momentum"),
    *("lora_rank", "lora_alpha"),  # what is saved has it inside its kernel
})  # fmt: skip
_FOR_THE_ENGINE = frozenset({
    *("name", "trainable", "dtype", "autocast", "dynamic", "implementation", "unroll", "use_cudnn"),
    *("flash_attention", "build_config", "sparse", "ragged", "optional"),
    *("batch_shape", "batch_input_shape", "input_shape", "input_dtype", "input_dim", "input_length", "batch_size"),
    "stateful",  # every look begins with nothing remembered
    *("data_format", "zero_output_for_mask", "supports_masking", "robust_masking", "softmax_robust_masking"),
    *("query_shape", "key_shape", "value_shape", "projection_dim"),
    *("quantization_config", "gptq_unpacked_column_size"),
})  # fmt: skip
_IN_THE_WEIGHTS = frozenset({
    *("units", "filters", "kernel_size", "depth_multiplier", "num_heads", "key_dim", "value_dim", "head_dim"),
    *("num_query_heads", "num_key_value_heads", "output_shape", "bias_axes", "shared_axes"),
    *("mean", "variance", "init_values"),
})  # fmt: skip
_HARMLESS = _FOR_TRAINING | _FOR_THE_ENGINE | _IN_THE_WEIGHTS
_ENDINGS = ("_initializer", "_regularizer", "_constraint", "init")


def with_settings_remembered(use: Use) -> Use:
    """Return the call of a layer whose configuration knows what of it is read."""
    return use.with_config(Settings(use.config))


def require_all_read(use: Use) -> None:
    """Raise UnsupportedLayer for a setting that nobody has read though it may change what the layer computes."""
    config = use.config
    for name in sorted(config.unread if isinstance(config, Settings) else ()):
        if name not in _HARMLESS and not name.endswith(_ENDINGS) and not _is_neutral(config[name]):
            raise use.wrong(f"what its {name} = {config[name]!r} means is not known here")


def _is_neutral(value: Any) -> bool:
    """Whether a setting says that something is not done: None, False, 1 or a list of these."""
    if isinstance(value, list | tuple):
        return all(map(_is_neutral, value))
    return value is None or value is False or (value is not True and value == 1)
