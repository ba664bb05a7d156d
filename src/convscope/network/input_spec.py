"""What a network expects: from a picture to its input tensor and back, with the reason for every step kept.

The order is Caffe's (``caffe.io.Transformer``): resize, crop, order the channels, raw_scale, minus mean,
times input_scale. What the files do not say is guessed, and `InputSpec.describe` shows which parts are.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convscope.argument_errors import arguments_in_words
from convscope.errors import InputError, did_you_mean
from convscope.network import input_spec_words as words
from convscope.network.resizing import Size, center_crop, resize, resize_shorter_side, ten_crops
from convscope.network.transform import Transform, transformed
from convscope.pictures.bands import bands_of
from convscope.pictures.photograph import open_photograph

ChannelOrder = Literal["RGB", "BGR", "GRAY", "BANDS"]
Layout = Literal["NCHW", "NHWC"]
Resize = Literal["squash", "shorter_side", "direct"]
Array: TypeAlias = NDArray[np.float32]
GUESS = "guess"
_CHOICES = {
    "channel_order": ("RGB", "BGR", "GRAY", "BANDS"),
    "layout": ("NCHW", "NHWC"),
    "resize": ("squash", "shorter_side", "direct"),
    "crops": (1, 10),
}
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow and OpenCV


@dataclass(frozen=True, eq=False)
class InputSpec:
    """How a picture becomes a network's input. Frozen; `replace` gives a changed copy.

    - ``size`` (height, width) of the input; ``layout`` of the tensor; ``channel_order`` RGB, BGR, GRAY, or BANDS: as
      many channels as ``bands`` says, as they come, of pictures that are no photographs (`convscope.pictures.bands`).
    - ``resize``: "squash" the whole picture to ``resize_size`` x ``resize_size``, or its "shorter_side" to
      ``resize_size``, then crop; or "direct" to ``size``. ``antialias`` as Pillow, without as Caffe.
    - ``crops``: 1 (center) or 10 (corners and center, and their mirror images).
    - ``raw_scale`` multiplies the picture's 0..1 (255 for networks that expect 0..255); then ``mean`` is subtracted,
      one number a channel in the network's own order, or a picture (channels, height, width) of the size before or
      after cropping; then ``input_scale`` multiplies, one number or one a channel.
    - ``transform``: a function from a Pillow image to the input, which then does all of it; the other fields are what
      it does to colors (`convscope.network.transform`).
    - ``provenance``: field name to where its value was found; a field that is not there is a guess.

    >>> spec = convscope.InputSpec((224, 224), "BGR", raw_scale=255, mean=(104, 117, 123))
    >>> spec.to_tensor("coffee").shape
    torch.Size([1, 3, 224, 224])

    InputError for a value that cannot be, with what can.
    """

    size: Size
    channel_order: ChannelOrder = "RGB"
    layout: Layout = "NCHW"
    raw_scale: float = 1.0
    mean: tuple[float, ...] | Array = ()
    input_scale: float | tuple[float, ...] = 1.0
    resize: Resize = "direct"
    resize_size: int | None = None
    antialias: bool = True
    crops: int = 1
    bands: int | None = None
    transform: Transform | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if isinstance(self.size, int):
            object.__setattr__(self, "size", (self.size, self.size))
        for name in ("size", "mean", "input_scale"):
            value = getattr(self, name)
            if isinstance(value, (list, np.ndarray)) and np.ndim(value) == 1:
                object.__setattr__(self, name, tuple(np.asarray(value).tolist()))
        if np.ndim(self.mean) == 0:
            object.__setattr__(
                self, "mean", (float(np.asarray(self.mean)),) * self.channels if self.mean else ()
            )
        if np.ndim(self.mean) == 3:
            object.__setattr__(self, "mean", np.asarray(self.mean, np.float32))
        for name, possible in _CHOICES.items():
            if (setting := getattr(self, name)) not in possible:
                hint = did_you_mean(str(setting), map(str, possible))
                raise InputError(
                    f"{name} cannot be {setting!r}.{hint} Possible: {', '.join(map(str, possible))}"
                )
        if (self.bands is None) == (self.channel_order == "BANDS") or (self.bands or 1) < 1:
            raise InputError(
                "bands is how many channels a picture of channel_order 'BANDS' has, and of no other"
            )
        if len(self.size) != 2 or min(self.size) < 1:
            raise InputError(f"size is (height, width) in pixels, not {self.size}")
        if self.resize != "direct" and (self.resize_size is None or self.resize_size < max(self.size)):
            raise InputError(
                f"resize {self.resize!r} needs a resize_size of at least {max(self.size)}, not {self.resize_size}"
            )
        self._check_mean()
        if np.shape(self.input_scale) == (1,) != (self.channels,):
            object.__setattr__(self, "input_scale", float(np.asarray(self.input_scale)[0]))
        if not isinstance(self.input_scale, (int, float)) and len(self.input_scale) != self.channels:
            raise InputError(f"input_scale needs 1 or {self.channels} values, not {len(self.input_scale)}")
        if not np.all(np.asarray(self.input_scale)) or not self.raw_scale:
            raise InputError("raw_scale and input_scale cannot be 0: every picture would look the same")

    def _check_mean(self) -> None:
        shape = np.shape(self.mean)
        pictures = [(self.channels, *size) for size in sorted(self._mean_sizes)]
        if shape not in ((0,), (self.channels,), *pictures):
            possible = " or ".join(map(str, pictures))
            raise InputError(f"mean has shape {shape}; possible: ({self.channels},), or a picture {possible}")

    @cached_property
    def sha256(self) -> str:
        """The hash of every field but the provenance: two specs with the same hash give the same inputs.

        >>> spec.sha256 == spec.replace(because="a guess").sha256
        True
        """
        mean = np.asarray(self.mean, np.float32)
        scale = np.asarray(self.input_scale, np.float64).tolist()
        choices = (self.channel_order, self.layout, self.resize)
        numbers = (
            *self.size,
            self.raw_scale,
            scale,
            self.resize_size,
            self.antialias,
            self.crops,
            mean.shape,
            *(() if self.bands is None else (self.bands,)),
            *(() if self.transform is None else (self._transform_sha256,)),
        )
        return sha256(repr((choices, numbers)).encode() + mean.tobytes()).hexdigest()

    @property
    def _transform_sha256(self) -> str:
        """The hash of what the transform makes of noise: its code says nothing of it.

        Some transforms differ only for pictures that are larger than the network's, smaller, or of another shape.
        """
        assert self.transform is not None
        (height, width), digest, random = self.size, sha256(), np.random.default_rng(0)
        others = ((2 * height + 1, 3 * width), (3 * height, 2 * width), (height // 2 + 1, width))
        for size in ((height, width), *others):
            noise = random.random((*size, 3))
            try:
                digest.update(transformed(self.transform, noise).numpy().tobytes())
            except InputError:  # it need not take every size
                digest.update(b"refused")
        return digest.hexdigest()

    @property
    def channels(self) -> int:
        """How many channels the network's input has: 1 for GRAY, ``bands`` for BANDS, else 3.

        >>> spec.channels
        3
        """
        return self.bands or (1 if self.channel_order == "GRAY" else 3)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """The tensor's shape: (crops, channels, height, width), or channels last for NHWC.

        >>> spec.shape
        (1, 3, 224, 224)
        """
        height, width = self.size
        nchw = (self.crops, self.channels, height, width)
        return nchw if self.layout == "NCHW" else (self.crops, height, width, self.channels)

    @property
    def _frame(self) -> Size:
        """The size before cropping, where it does not depend on the picture."""
        return self.size if self.resize == "direct" else (self.resize_size or 0, self.resize_size or 0)

    @property
    def _mean_sizes(self) -> set[Size]:
        """The sizes that a mean picture can have: before cropping, where that is always the same, and after."""
        return {self.size} if self.resize == "shorter_side" else {self.size, self._frame}

    def replace(self, *, because: str = "you", **changes: Any) -> InputSpec:
        """Return a copy with some fields changed, and ``because`` as their provenance.

        >>> spec = spec.replace(channel_order="RGB", mean=(123.0, 117.0, 104.0))
        """
        names = [item.name for item in dataclasses.fields(self)]
        for name in changes.keys() - set(names):
            hint = words.own_name(name, changes[name]) or did_you_mean(name, names)
            raise InputError(f"an input spec has no {name!r}.{hint} Possible: {', '.join(names)}")
        provenance = dict(self.provenance) | dict.fromkeys(changes, because)
        return dataclasses.replace(self, **{"provenance": provenance, **changes})

    def with_guessed_size(self) -> InputSpec:
        """Return a copy whose size is marked as a guess.

        >>> convscope.InputSpec((224, 224), provenance={"size": "input shape"}).with_guessed_size().provenance
        {'size': 'guess'}
        """
        return self.replace(because=GUESS, size=self.size)

    @arguments_in_words
    def of_size(self, size: Size | int, *, because: str = "you", **changes: Any) -> InputSpec:
        """Return a copy for pictures of another (height, width), of which as large a margin is cut off as now.

        >>> spec.of_size((299, 299)).shape
        (1, 3, 299, 299)
        """
        margin = (self.resize_size or max(self.size)) / max(self.size)
        return self.replace(because=because, size=size, resize_size=round(np.max(size) * margin), **changes)

    @arguments_in_words
    def with_mean(self, mean: NDArray[Any], *, because: str) -> InputSpec:
        """Return a copy that subtracts a mean file's values, (channels,) or ([1,] channels, height, width).

        A mean picture of another size than the network's pictures counts as its average color, and the provenance
        says so.

        >>> spec.with_mean(numpy.array([103.9, 116.8, 123.7]), because="mean.npy").provenance["mean"]
        'mean.npy'
        """
        values = np.asarray(mean, np.float32)
        values = values[0] if values.ndim == 4 and len(values) == 1 else values
        if values.ndim == 1 or values.shape[1:] == (1, 1):
            return self.replace(because=because, mean=tuple(values.ravel().tolist()))
        if values.ndim == 3 and values.shape[1:] not in self._mean_sizes:
            because = f"{because}, averaged: its size is {values.shape[1]} x {values.shape[2]}"
            return self.replace(because=because, mean=tuple(values.mean(axis=(1, 2)).tolist()))
        return self.replace(because=because, mean=values)

    @arguments_in_words
    def to_tensor(self, picture: object) -> Tensor:
        """Return a picture (anything `read_picture` reads) as the float tensor the network expects, shape `shape`.

        >>> tensor = spec.to_tensor("coffee")
        >>> tensor.shape, tensor.dtype
        (torch.Size([1, 3, 224, 224]), torch.float32)

        PictureError for what is no picture.
        """
        if self.transform is not None:
            batch = transformed(self.transform, self._read(picture))[None]
            return batch if self.layout == "NCHW" else batch.movedim(1, -1).contiguous()
        frame = self.frame(picture)
        if np.shape(self.mean)[1:] == frame.shape[:2] != self.size:
            frame = self._order(frame) * np.float32(self.raw_scale) - np.moveaxis(np.asarray(self.mean), 0, 2)
            crops = self._crops(frame)
        else:
            crops = self._order(self._crops(frame)) * np.float32(self.raw_scale) - self._mean_of_crop()
        crops = crops * np.asarray(self.input_scale, np.float32)
        tensor = torch.from_numpy(np.ascontiguousarray(crops, dtype=np.float32))
        return tensor.permute(0, 3, 1, 2).contiguous() if self.layout == "NCHW" else tensor

    def frame(self, picture: object) -> NDArray[Any]:
        """Return a picture's numbers resized and not cropped yet: (height, width, 3) in 0..1, or its bands.

        A frame is the frame of itself, which the network's crop of a picture need not be.

        >>> network.input_spec.frame("coffee").shape
        (80, 120, 3)
        """
        return self._resized(self._read(picture))

    def _read(self, picture: object) -> Array:
        """Return a picture's numbers; InputError where it has other channels than the network."""
        if isinstance(picture, np.ndarray) and picture.ndim == 3 and picture.shape[2] == self.bands:
            return bands_of(picture)
        photograph = open_photograph(picture)
        bands = photograph.bands
        if (
            bands is not None and self.bands == bands.shape[0] != bands.shape[2]
        ):  # a small picture, channels first
            bands = np.ascontiguousarray(np.moveaxis(bands, 0, -1))
        count = 3 if bands is None else bands.shape[2]
        if self.bands is None and count in (3, 4):
            return photograph.pixels
        if bands is None or count != self.bands:
            raise InputError(
                f"the network expects pictures of {self.channels} channels; {photograph.name} has {count}: give an "
                f"array (height, width, {self.channels}), its .npy file, or a TIFF of so many bands"
            )
        return bands

    @arguments_in_words
    def to_picture(self, tensor: Tensor) -> Array:
        """Return an input tensor as a picture, RGB (height, width, 3) in 0..1: `to_tensor` undone, but for the resize.

        A batch of several gives (batch, height, width, 3). Values that no picture has are clipped.

        >>> spec.to_picture(spec.to_tensor("coffee")).shape
        (224, 224, 3)
        """
        values = tensor.detach().cpu().float()
        channel_axis = -3 if self.layout == "NCHW" else -1
        if values.dim() not in (3, 4) or values.shape[channel_axis] != self.channels:
            raise InputError(
                f"an input of shape {tuple(tensor.shape)} is no picture; the network expects {self.shape}"
            )
        channels_last = values.movedim(channel_axis, -1).numpy()
        raw = channels_last / np.asarray(self.input_scale, np.float32) + self._mean_of_crop(
            channels_last.shape[-3:-1]
        )
        pixels = raw / np.float32(self.raw_scale)
        pixels = pixels.mean(-1, keepdims=True) if self.bands else pixels
        pixels = (
            pixels[..., ::-1]
            if self.channel_order == "BGR"
            else np.broadcast_to(pixels, (*pixels.shape[:-1], 3))
        )
        pixels = pixels.clip(0, 1)
        return pixels[0] if pixels.ndim == 4 and len(pixels) == 1 else pixels

    def from_rgb(self, rgb: Tensor) -> Tensor:
        """Return pictures as the tensor the network expects: `to_tensor` without its resize, and gradients flow.

        `rgb` is (batch, 3, height, width), RGB in 0..1, of any size. Pictures of another number of channels, which the
        network then has to expect, are scaled as they are. At another size than the network's own a mean picture counts
        as its average color. InputError where the mean or the scale is for another number of channels.

        >>> spec.from_rgb(torch.rand(8, 3, 224, 224)).shape
        torch.Size([8, 3, 224, 224])
        """
        if rgb.shape[1] == 3 and self.channel_order == "BGR":
            rgb = rgb.flip(1)
        elif rgb.shape[1] == 3 and self.channels != 3:
            rgb = torch.tensordot(rgb, rgb.new_tensor(_LUMA), ([1], [0]))[:, None].expand(
                -1, self.channels, -1, -1
            )
        mean, scale = self._linear(rgb)
        values = (rgb * self.raw_scale - mean) * scale
        return values if self.layout == "NCHW" else values.movedim(1, -1)

    def to_rgb(self, tensor: Tensor) -> Tensor:
        """Return an input tensor's pictures, not clipped: `from_rgb` undone. Gray ones keep their single channel.

        >>> spec.to_rgb(spec.to_tensor("coffee")).shape
        torch.Size([1, 3, 224, 224])
        """
        values = tensor if self.layout == "NCHW" else tensor.movedim(-1, 1)
        mean, scale = self._linear(values)
        pixels = (values / scale + mean) / self.raw_scale
        return pixels.flip(1) if pixels.shape[1] == 3 and self.channel_order == "BGR" else pixels

    def _linear(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is subtracted from (batch, channels, height, width), and what multiplies it then."""
        count, height, width = values.shape[1:]
        made_for = {
            len(numbers) for numbers in (self.mean, np.atleast_1d(self.input_scale)) if len(numbers) > 1
        }
        if made_for - {count}:
            raise InputError(
                f"pictures of {count} channels do not fit the mean and input_scale, which are for {self.channels}"
            )
        mean = self._mean_of_crop((height, width)).T if len(self.mean) else np.zeros(1, np.float32)
        mean = mean.transpose(0, 2, 1) if mean.ndim == 3 else mean.reshape(-1, 1, 1)
        return values.new_tensor(mean), values.new_tensor(self.input_scale).reshape(-1, 1, 1)

    def _resized(self, picture: Array) -> NDArray[Any]:
        if self.resize == "shorter_side":
            return resize_shorter_side(picture, self._frame[0], antialias=self.antialias)
        return resize(picture, self._frame, antialias=self.antialias)

    def _crops(self, frame: NDArray[Any]) -> NDArray[Any]:
        return ten_crops(frame, self.size) if self.crops == 10 else center_crop(frame, self.size)[None]

    def _order(self, pixels: NDArray[Any]) -> NDArray[Any]:
        if self.channel_order == "GRAY":
            return (pixels @ _LUMA)[..., None]
        return pixels[..., ::-1] if self.channel_order == "BGR" else pixels

    def _mean_of_crop(self, size: Size | None = None) -> NDArray[Any]:
        """Return the mean of one (center) crop, channels last; at another size, a mean picture's average."""
        mean = np.asarray(self.mean, np.float32)
        if mean.ndim == 1:
            return mean if mean.size else np.zeros(self.channels, np.float32)
        if size not in (None, self.size):
            average: NDArray[Any] = mean.mean(axis=(1, 2))
            return average
        return center_crop(np.moveaxis(mean, 0, 2), self.size)

    def describe(self) -> str:
        """Return a table, one line a field: what the network expects, and where each value was found.

        >>> print(spec.describe())
        size           224 x 224 (height x width)  ...
        channel_order  ...
        """
        return words.table(self)

    def rows(self) -> list[tuple[str, str, str]]:
        """Return (field, its value in words, where it was found) for what is done to a picture, in order.

        >>> spec.rows()[0]
        ('size', '224 x 224 (height x width)', ...)
        """
        return [(name, text, self.provenance.get(name, GUESS)) for name, text in words.values(self)]

    def __str__(self) -> str:
        """Return one line: what is done to a picture, in order, and which parts are guesses."""
        return words.line(self)

    @property
    def note(self) -> str | None:
        """One line where a guess decides the numbers that the network gets: what was guessed, and how to say it.

        >>> convscope.InputSpec((224, 224)).note
        'nothing says how a picture becomes its input; guessed: 224 x 224; RGB; 0..1; no mean (--input-shape, ...)'
        """
        return words.note(self)

    @property
    def guesses(self) -> dict[str, str]:
        """Field to what is said of its value, for those that are guesses.

        >>> sorted(convscope.InputSpec((224, 224)).guesses)
        ['channel_order', 'crops', 'input_scale', 'layout', 'mean', 'raw_scale', 'resize', 'size']
        """
        return {name: reason for name, _, reason in self.rows() if reason.startswith(GUESS)}
