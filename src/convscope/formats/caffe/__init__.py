"""Caffe's files of every age: read, upgraded, made into a graph, written."""
