"""The module that pycaffe's `Net` is in there: ``from convscope.caffe.pycaffe import Net``."""

from convscope.caffe import io
from convscope.caffe.log import Timer
from convscope.caffe.net import Net

__all__ = ["Net", "Timer", "io"]
