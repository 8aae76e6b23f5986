"""Networks of the size of Silero VAD 5 and TEN VAD with random weights: they judge nothing, but cost what those cost.

Layers as far as they are published: Silero's STFT as a convolution, four convolutions of 128, 64, 64 and 128 channels,
an LSTM of 128, one output; TEN's three windows of 41 features, convolutions of 16 channels, two LSTMs of 64.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

_FLOAT = TensorProto.FLOAT


class _Net:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._random = np.random.default_rng(1)

    def weight(self, *shape: int) -> str:
        name = f"w{len(self.weights)}"
        values = self._random.normal(size=shape).astype(np.float32) / 20
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def numbers(self, *values: int) -> str:
        name = f"n{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), name))
        return name

    def add(self, kind: str, *inputs: str, out: int | tuple[str, ...] = 1, **attributes: Any) -> str:
        names = out if isinstance(out, tuple) else tuple(f"x{len(self.nodes)}_{n}" for n in range(out))
        self.nodes.append(helper.make_node(kind, list(inputs), list(names), **attributes))
        return names[0]

    def conv(self, put: str, channels: int, of: int, kernel: int, stride: int = 1) -> str:
        pads = [kernel // 2] * 2 if kernel < 8 else [0, 0]
        made = self.add("Conv", put, self.weight(channels, of, kernel), strides=[stride], pads=pads)
        return self.add("Relu", made)

    def model(self, inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> onnx.ModelProto:
        graph = helper.make_graph(self.nodes, "sized", inputs, outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 16)])
        model.ir_version = 8
        return model


def silero(path: Path) -> None:
    """Writes the model of this size for 8 kHz and 16 kHz windows."""
    net = _Net()
    sound = net.add("Unsqueeze", "input", net.numbers(1))
    spectrum = net.conv(sound, 258, 1, 128, 64)
    real, imaginary = "real", "imaginary"
    net.add("Split", spectrum, net.numbers(129, 129), out=(real, imaginary), axis=1)
    power = net.add("Add", net.add("Mul", real, real), net.add("Mul", imaginary, imaginary))
    made = net.conv(net.add("Sqrt", power), 128, 129, 3)
    made = net.conv(net.conv(made, 64, 128, 3, 2), 64, 64, 3, 2)
    made = net.conv(made, 128, 64, 3)
    pooled = net.add("ReduceMean", made, axes=[2], keepdims=0)
    net.add("Split", "state", net.numbers(1, 1), out=("h", "c"), axis=0)
    weights = net.weight(1, 512, 128), net.weight(1, 512, 128), net.weight(1, 1024)
    net.add(
        "LSTM", net.add("Unsqueeze", pooled, net.numbers(0)), *weights, "", "h", "c",
        out=("y", "h_new", "c_new"), hidden_size=128,
    )  # fmt: skip
    net.add("Concat", "h_new", "c_new", out=("stateN",), axis=0)
    flat = net.add("Squeeze", "h_new", net.numbers(0))
    net.add("Sigmoid", net.add("MatMul", flat, net.weight(128, 1)), out=("output",))
    net.add("Identity", "sr", out=("sr_seen",))
    info = helper.make_tensor_value_info
    model = net.model(
        [info("input", _FLOAT, [1, None]), info("state", _FLOAT, [2, 1, 128]), info("sr", TensorProto.INT64, [])],
        [info("output", _FLOAT, [1, 1]), info("stateN", _FLOAT, [2, 1, 128])],
    )
    onnx.save(model, str(path))


def ten(path: Path) -> None:
    """Writes the model of this size, with statistics."""
    net = _Net()
    made = net.conv(net.conv("input_1", 16, 3, 3, 2), 16, 16, 3, 2)
    flat = net.add("Unsqueeze", net.add("Flatten", made), net.numbers(0))
    size = 16 * 11
    for layer, (h, c) in enumerate((("input_2", "input_3"), ("input_4", "input_5"))):
        states = [net.add("Unsqueeze", state, net.numbers(0)) for state in (h, c)]
        weights = net.weight(1, 256, size), net.weight(1, 256, 64), net.weight(1, 512)
        news = f"h{layer}", f"c{layer}"
        net.add("LSTM", flat, *weights, "", *states, out=(f"y{layer}", *news), hidden_size=64)
        for place, new in enumerate(news):
            net.add("Squeeze", new, net.numbers(0), out=(f"output_{2 + 2 * layer + place}",))
        flat, size = news[0], 64
    net.add("Sigmoid", net.add("MatMul", flat, net.weight(64, 1)), out=("output_1",))
    info = helper.make_tensor_value_info
    model = net.model(
        [info("input_1", _FLOAT, [1, 3, 41]), *(info(f"input_{n}", _FLOAT, [1, 64]) for n in range(2, 6))],
        [info("output_1", _FLOAT, [1, 1, 1]), *(info(f"output_{n}", _FLOAT, [1, 64]) for n in range(2, 6))],
    )
    helper.set_model_props(model, {"mean": ",".join(["0"] * 41), "inv_stddev": ",".join(["1"] * 41)})
    onnx.save(model, str(path))
