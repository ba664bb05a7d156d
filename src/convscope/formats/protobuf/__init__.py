"""Protobuf's binary form without protobuf: what Caffe's, TensorFlow's and ONNX's files are written in.

A schema in a text file says which fields a format's messages have; numbers stay in the mapped file until they are
looked at, and sizes are checked before memory is taken.
"""
