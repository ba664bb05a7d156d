"""TensorFlow's frozen graphs: read without TensorFlow, made into a graph whose values keep their names and shapes."""
