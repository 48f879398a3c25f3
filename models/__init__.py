"""Torch modules and nothing else; input and output sizes come from the data, the rest from ``conf/model``.

A model takes ``input_shape`` (of one example) and ``outputs`` by keyword, maps ``(batch, *input_shape)`` to
``(batch, outputs)`` and calls its last layer ``head``, so that its bias can start at the targets' mean.
"""
