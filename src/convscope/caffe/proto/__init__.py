"""`caffe.proto`: the messages of Caffe's files with the manners of protobuf, without protobuf.

`text_format` stands beside `caffe_pb2` because protobuf's own takes protobuf's own messages only.
"""

from convscope.caffe.proto import caffe_pb2, text_format

__all__ = ["caffe_pb2", "text_format"]
