"""ONNX networks: read and written with convscope's own reader and writer, neither the onnx package nor protobuf."""
