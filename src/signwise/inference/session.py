"""A model in the runtime that runs it: ONNX Runtime, on the CPU or by CUDA, or OpenVINO."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from signwise.errors import SignwiseError, one_line, require_extra
from signwise.model_file.read import OPENVINO_FILE, ModelFile
from signwise.runtime import onnx_runtime, openvino

Device = Literal["cpu", "cuda"]
Run = Callable[[NDArray[np.uint8]], tuple[np.ndarray, np.ndarray]]
"""Probabilities (B, K) and known (B,) of pictures uint8 (B, S, S, 3); from any thread."""
Ports = dict[str, tuple[str, list[Any]]]
"""What goes in and out, by name: type and shape, a side that may be any with a name or None."""

PORTS = ("images", "probabilities", "known")
CUDA = "CUDAExecutionProvider"
OPENVINO_TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)"}


def open_session(file: ModelFile, threads: int, device: Device, *, at_once: int = 1) -> Run:
    """Build the session from the bytes that were checked, and check what goes in and out.

    A run of it takes `threads`; `at_once` runs are expected at the same time. Raises SignwiseError
    for a model or a device that can't be used.
    """
    if device not in get_args(Device):
        raise SignwiseError(f"`device` must be cpu or cuda, not {device}")
    if file.path.suffix == Path(OPENVINO_FILE).suffix:
        return _by_openvino(file, threads, device, at_once)
    return _by_onnx_runtime(file, threads, device)


def _by_onnx_runtime(file: ModelFile, threads: int, device: Device) -> Run:
    """Changes ONNX Runtime's own log level: its errors are raised, and need not be printed too."""
    runtime = onnx_runtime()
    runtime.set_default_logger_severity(4)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads that spin while they wait take the cores from those that decode: a fifth slower here.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Else bytes that begin in a certain way are read as ONNX Runtime's own format, unchecked here.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.log_severity_level = 4  # errors are raised; what ONNX Runtime prints is for its makers
    providers: list[Any] = ["CPUExecutionProvider"]
    if device == "cuda":
        if CUDA not in runtime.get_available_providers():
            raise SignwiseError(
                "`device` cuda: this ONNX Runtime is built without CUDA: run pip uninstall"
                " onnxruntime, then pip install onnxruntime-gpu; or take cpu"
            )
        # TF32 has 10 bits where float32 has 23: other answers than on the CPU.
        providers.insert(0, (CUDA, {"use_tf32": "0"}))
    try:
        session = runtime.InferenceSession(file.content, options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors share no narrower class
        raise SignwiseError(f"{file.path} can't be run ({one_line(error)}): train again") from None
    if device == "cuda" and CUDA not in session.get_providers():
        # ONNX Runtime goes on by itself on the CPU, where a library or the GPU is missing.
        raise SignwiseError(
            "`device` cuda: ONNX Runtime could not start CUDA: see that GPU, driver, CUDA and cuDNN"
            " are there, or take cpu"
        )
    inputs = {one.name: (one.type, one.shape) for one in session.get_inputs()}
    outputs = {one.name: (one.type, one.shape) for one in session.get_outputs()}
    _check_ports(file, inputs, outputs)

    def run(pixels: NDArray[np.uint8]) -> tuple[np.ndarray, np.ndarray]:
        probabilities, known = session.run(["probabilities", "known"], {"images": pixels})
        return probabilities, known

    return run


def _by_openvino(file: ModelFile, threads: int, device: Device, at_once: int) -> Run:
    require_extra("openvino", "openvino")
    if device != "cpu":
        raise SignwiseError(f"`device` {device}: OpenVINO has none, take cpu or give a model.onnx")
    module = openvino()
    settings = {
        "INFERENCE_NUM_THREADS": threads * at_once,
        "NUM_STREAMS": at_once,
        # Left to itself it computes in bfloat16 where the processor can: other answers.
        "INFERENCE_PRECISION_HINT": "f32",
        # Threads that stay on their cores keep them from those that decode.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        core = module.Core()
        model = core.read_model(file.content, file.weights)
        compiled = core.compile_model(model, "CPU", settings)
    except Exception as error:  # OpenVINO's errors share no narrower class
        raise SignwiseError(f"{file.path} can't be run ({one_line(error)}): export again") from None
    _check_ports(file, _openvino_ports(compiled.inputs), _openvino_ports(compiled.outputs))

    def run(pixels: NDArray[np.uint8]) -> tuple[np.ndarray, np.ndarray]:
        # A request of its own: one can't be shared between threads.
        answers = compiled.create_infer_request().infer({"images": pixels})
        return np.array(answers["probabilities"]), np.array(answers["known"])

    return run


def _openvino_ports(ports: list[Any]) -> Ports:
    found: Ports = {}
    for port in ports:
        kind = port.element_type.get_type_name()
        sides = [None if side.is_dynamic else side.get_length() for side in port.partial_shape]
        # A port may have several names: ours is among them.
        name = next((name for name in PORTS if name in port.names), port.any_name)
        found[name] = (OPENVINO_TYPES.get(kind, kind), sides)
    return found


def _check_ports(file: ModelFile, inputs: Ports, outputs: Ports) -> None:
    side, classes = file.record.image_size, len(file.record.classes)
    wanted: dict[str, tuple[str, list[int | None]]] = {
        "images": ("tensor(uint8)", [None, side, side, 3]),
        "probabilities": ("tensor(float)", [None, classes]),
        "known": ("tensor(float)", [None]),
    }
    found = inputs | outputs
    for name, (kind, shape) in wanted.items():
        if name not in found:
            raise SignwiseError(f"{file.path} has no {name}: give the model.onnx of a run")
        actual_kind, actual_shape = found[name]
        if actual_kind != kind or not _fits(actual_shape, shape):
            raise SignwiseError(
                f"{file.path}: {name} is {actual_kind} {actual_shape}, not {kind}"
                f" {['N', *shape[1:]]}: give the model.onnx of a run"
            )
    if len(inputs) != 1:
        raise SignwiseError(f"{file.path} wants more than images: give the model.onnx of a run")


def _fits(shape: list[Any], wanted: list[int | None]) -> bool:
    """Whether the shape is the wanted one: None wants any number; what has a name may be any."""
    return len(shape) == len(wanted) and all(
        not isinstance(actual, int) or (size is not None and actual == size)
        for actual, size in zip(shape, wanted, strict=True)
    )
