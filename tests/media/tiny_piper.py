"""A voice that piper-tts loads and runs for real, and that says a tone for each phoneme.

An ONNX model with Piper's interface: `input` int64 [1, T] (phoneme ids), `input_lengths` int64 [1], `scales` float [3]
(noise, length, noise_w), `sid` int64 [1] with several speakers; `output` float [1, 1, 1, N]. N is a fixed number of
samples a phoneme, times the length scale. The frequency depends on the phonemes and on the speaker, so texts differ.
Beside it lies the description that Piper's trainer writes (.onnx.json).
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RATE_HZ = 16000
SAMPLES_PER_PHONEME = 800
"""50 ms at 16 kHz; piper puts a padding between any two phonemes, which counts, too."""
OPSET, IR = 17, 9
"""Old enough for every onnxruntime that piper-tts takes."""
FOREVER = 2**40
HUGE = 1e9
"""Samples a phoneme that no machine has memory for: 4 GB each."""


def write_voice(
    folder: Path,
    name: str = "en_US-tiny-low",
    *,
    rate_hz: int = RATE_HZ,
    speakers: dict[str, int] | None = None,
    samples_per_phoneme: float = SAMPLES_PER_PHONEME,
    work: int = 0,
    description: dict[str, Any] | None = None,
) -> Path:
    """The path of the model. work: how often a matrix is multiplied first for each phoneme, some 5 µs a time; FOREVER
    for a voice that hangs."""
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    model = folder / f"{name}.onnx"
    onnx.save(_model(rate_hz, samples_per_phoneme, work, bool(speakers)), str(model))
    Path(f"{model}.json").write_text(json.dumps(describe(name, rate_hz, speakers) | (description or {})))
    return model


def describe(name: str, rate_hz: int = RATE_HZ, speakers: dict[str, int] | None = None) -> dict[str, Any]:
    """The .onnx.json, with the keys that piper reads and those by which a voice is found."""
    from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

    code, dataset, quality = name.split("-")
    return {
        "audio": {"sample_rate": rate_hz, "quality": quality},
        "espeak": {"voice": {"en_US": "en-us", "en_GB": "en-gb-x-rp"}.get(code, code.partition("_")[0])},
        "language": {"code": code},
        "dataset": dataset,
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "num_symbols": 256,
        "num_speakers": len(speakers) if speakers else 1,
        "speaker_id_map": speakers or {},
        "phoneme_id_map": DEFAULT_PHONEME_ID_MAP,
    }


def _model(rate_hz: int, samples_per_phoneme: float, work: int, several: bool) -> Any:
    from onnx import TensorProto, helper

    def constant(name: str, kind: int, dims: list[int], values: Sequence[float]) -> Any:
        return helper.make_tensor(name, kind, dims, values)

    nodes = [
        helper.make_node("Shape", ["input"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["phonemes"]),
        helper.make_node("Cast", ["phonemes"], ["phonemes_f"], to=TensorProto.FLOAT),
        helper.make_node("Gather", ["scales", "one"], ["length"]),
        helper.make_node("Mul", ["phonemes_f", "length"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "each"], ["samples_f"]),
        helper.make_node("Cast", ["samples_f"], ["samples"], to=TensorProto.INT64),
        helper.make_node("Range", ["zero", "samples", "one"], ["places"]),
        helper.make_node("Cast", ["places"], ["places_f"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["input"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["ids"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "step"], ["above"]),
        helper.make_node("Add", ["above", "base"], ["turn"]),
    ]
    turn = "turn"
    if several:
        nodes += [
            helper.make_node("Cast", ["sid"], ["sid_f"], to=TensorProto.FLOAT),
            helper.make_node("Mul", ["sid_f", "base"], ["higher"]),
            helper.make_node("Add", ["turn", "higher"], ["turn_of_speaker"]),
        ]
        turn = "turn_of_speaker"
    if work:
        nodes += _busy(work)
        nodes.append(helper.make_node("Add", [turn, "nothing"], ["turn_after_work"]))
        turn = "turn_after_work"
    nodes += [
        helper.make_node("Mul", ["places_f", turn], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Unsqueeze", ["wave", "axes"], ["output"]),
    ]
    turn_per_hz = 2 * math.pi / rate_hz
    constants = [
        constant("zero", TensorProto.INT64, [], [0]),
        constant("one", TensorProto.INT64, [], [1]),
        constant("each", TensorProto.FLOAT, [], [samples_per_phoneme]),
        constant("step", TensorProto.FLOAT, [], [4 * turn_per_hz]),
        constant("base", TensorProto.FLOAT, [], [200 * turn_per_hz]),
        constant("axes", TensorProto.INT64, [3], [0, 1, 2]),
        constant("work", TensorProto.INT64, [], [work]),
        constant("go_on", TensorProto.BOOL, [], [True]),
        constant("begin", TensorProto.FLOAT, [48, 48], [0.0] * 48 * 48),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, [1, "T"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, [1]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if several:
        inputs.append(helper.make_tensor_value_info("sid", TensorProto.INT64, [1]))
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "N"])
    graph = helper.make_graph(nodes, "voice", inputs, [output], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)


def _busy(work: int) -> list[Any]:
    """Matrices multiplied `work` times; what comes of it is a nothing that the frequency is raised by."""
    from onnx import TensorProto, helper

    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "state"], ["product"]),
            helper.make_node("Identity", ["condition"], ["condition_after"]),
        ],
        "busy",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [48, 48]),
        ],
        [
            helper.make_tensor_value_info("condition_after", TensorProto.BOOL, []),
            helper.make_tensor_value_info("product", TensorProto.FLOAT, [48, 48]),
        ],
    )
    return [
        helper.make_node("Mul", ["phonemes", "work"], ["trips"]),
        helper.make_node("Loop", ["trips", "go_on", "begin"], ["worked"], body=body),
        helper.make_node("ReduceSum", ["worked"], ["nothing"], keepdims=0),
    ]
