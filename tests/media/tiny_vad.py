"""Tiny models with the inputs and outputs of Silero VAD 5 and TEN VAD, made here: they judge by level alone.

Real onnxruntime runs them; that a real model hears better is nothing these tests could show.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 16
SILENCE_DBFS = -45.0


def silero(
    path: Path, *, names: tuple[str, str, str] = ("input", "state", "sr"), state: int = 128, broken: bool = False
) -> Path:
    """Probability: steep around a level of the window. The state counts the windows, so a lost state shows.

    broken: what comes out is not a number."""
    put, kept, rate = names
    power = 10 ** (SILENCE_DBFS / 10)
    nodes = [
        helper.make_node("Mul", [put, put], ["squares"]),
        helper.make_node("ReduceMean", ["squares"], ["power"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["power", "limit"], ["over"]),
        helper.make_node("Mul", ["over", "steep"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["output"]),
        helper.make_node("Add", [kept, "one"], ["stateN"]),
        helper.make_node("Identity", [rate], ["rate_seen"]),
    ]
    constants = {"limit": [power], "steep": [float("nan") if broken else 8 / power], "one": [1.0]}
    return _save(
        path,
        nodes,
        [
            _tensor(put, [None, None]),
            _tensor(kept, [2, None, state]),
            helper.make_tensor_value_info(rate, TensorProto.INT64, []),
        ],
        [_tensor("output", [None, 1]), _tensor("stateN", [2, None, state])],
        constants,
    )


def ten(path: Path, *, statistics: bool = True, level: float = -11.0, features: int = 41) -> Path:
    """Probability: steep around the mean of the newest window's normalised bands."""
    nodes = [
        helper.make_node("Gather", ["input_1", "newest"], ["window"], axis=1),
        helper.make_node("ReduceMean", ["window"], ["mean_band"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["mean_band", "limit"], ["over"]),
        helper.make_node("Mul", ["over", "steep"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["output_1"]),
        *(helper.make_node("Add", [f"input_{n}", "one"], [f"output_{n}"]) for n in range(2, 6)),
    ]
    constants = {"limit": [level], "steep": [4.0], "one": [1.0]}
    model = _model(
        nodes,
        [_tensor("input_1", [1, 3, features]), *(_tensor(f"input_{n}", [1, 64]) for n in range(2, 6))],
        [_tensor("output_1", [1, 1, 1]), *(_tensor(f"output_{n}", [1, 64]) for n in range(2, 6))],
        constants,
        [
            numpy_helper.from_array(np.array(2, np.int64), "newest"),
            numpy_helper.from_array(np.array([1, 1, 1], np.int64), "shape"),
        ],
    )
    if statistics:
        facts = {"mean": ",".join(["0"] * 40 + ["90"]), "inv_stddev": ",".join(["1"] * 40 + ["0.01"])}
        helper.set_model_props(model, facts)
    onnx.save(model, str(path))
    return path


def _tensor(name: str, shape: list[int | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, list[float]],
) -> Path:
    onnx.save(_model(nodes, inputs, outputs, constants, []), str(path))
    return path


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: dict[str, list[float]],
    others: list[onnx.TensorProto],
) -> onnx.ModelProto:
    weights = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs, [*weights, *others])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model
