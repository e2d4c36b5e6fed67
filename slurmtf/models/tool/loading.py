"""Load saved models into one form: a function with named inputs and outputs, and a SavedModel of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from .drawing import Spec
from .interchange import Arrays, JsonView
from .refusal import build_refusal

CONSTANTS = 1000
"""The most constants of a model that are tried as inputs."""
NO_NAME = "serving_default"
ENDS = (
    "BiasAdd", "Softmax", "LogSoftmax", "Sigmoid", "Tanh", "Relu", "Elu", "MatMul", "Add", "AddV2", "ArgMax", "Identity",
    "Reshape", "Squeeze", "TopKV2",
)  # fmt: skip
"""The operations with which the layers of a network end."""
TRAINING_FUNCTIONS = (
    "gradients",
    "save",
    "init",
    "report_uninitialized",
    "Adam",
    "GradientDescent",
    "Momentum",
    "RMSProp",
    "train",
)

NO_WEIGHT = re.compile(
    r"OPTIMIZER_SLOT|optimizer|/(Adam|Momentum|RMSProp)(_\d+)?$|^(_CHECKPOINTABLE_OBJECT_GRAPH$|_all_variables/|keras_api/)"
)
"""Names in a checkpoint that are no weights: an optimizer's, metrics', and Keras 3's second list of all variables."""


class LoadError(Exception):
    """A model can't be loaded; has the reason and the remedy."""

    def __init__(self, what: str, remedy: str, **facts: object) -> None:
        self.what, self.remedy, self.facts = what, remedy, facts
        super().__init__(what)


class ServedModel(NamedTuple):
    """A model to convert. ``source`` are the converter's arguments for it; ``function`` is for its Python interface.

    ``layers``: name and class of each layer of Keras; ``nodes``: name and operation of each node of the graph.
    """

    inputs: Mapping[str, Spec]
    outputs: Sequence[str]
    call: Callable[[Arrays], Arrays]
    source: Sequence[str]
    function: Any
    layers: Sequence[tuple[str, str]]
    nodes: Sequence[tuple[str, str]]
    known: Mapping[str, Sequence[object]]


def build_spec(tensor: Any) -> Spec:
    dtype = tf.as_dtype(tensor.dtype)
    shape = tensor.shape if isinstance(tensor.shape, tuple) else tf.TensorShape(tensor.shape)
    if isinstance(shape, tf.TensorShape) and shape.rank is None:
        raise LoadError(f"the input {tensor.name} has no rank", "save the model with inputs of known rank")
    sizes = tuple(None if one is None else int(one) for one in (shape if isinstance(shape, tuple) else shape.as_list()))
    return Spec(sizes, "str" if dtype == tf.string else dtype.name)


def load(request: JsonView, work: Path) -> ServedModel:
    """Return the model of a request; ``work`` is a folder for temporary files. Raises LoadError."""
    kind, path = request["kind"], request["model"]
    if kind == "saved-model":
        return load_saved_model(path, request.get("signature"))
    if kind == "checkpoint":
        return load_checkpoint(path, request.get("inputs") or (), request.get("outputs") or ())
    return load_keras(read_keras_model(kind, path, request.get("weights")), work)


def load_saved_model(path: str, name: str | None) -> ServedModel:
    """Return a signature of a SavedModel: the named one, ``serving_default``, or the only one. Raises LoadError."""
    try:
        loaded = tf.saved_model.load(path)
    except Exception as err:  # TensorFlow's errors: another version's operations, a broken file
        raise LoadError(
            f"TensorFlow {tf.__version__} can't load it: {_summarize_error(err)}", "was it saved by another version?"
        ) from None
    names = list(loaded.signatures)
    chosen = name or (NO_NAME if NO_NAME in names else names[0] if len(names) == 1 else None)
    if chosen not in names:
        has = f"has the signatures {', '.join(names)}" if names else "has no signature"
        remedy = (
            "pass --signature NAME"
            if names
            else "save it with model.export(folder), or tf.saved_model.save(..., signatures=...)"
        )
        raise LoadError(has if name is None else f"has no signature {name}: it {has}", remedy)
    signature = loaded.signatures[chosen]
    inputs = {key: build_spec(tensor) for key, tensor in sorted(signature.structured_input_signature[1].items())}
    source = ["--saved-model", path, "--tag", "serve", "--signature_def", str(chosen)]
    return _build_served(signature, inputs, source, (), path, loaded)


def _build_served(
    signature: Any,
    inputs: Mapping[str, Spec],
    source: Sequence[str],
    layers: Sequence[tuple[str, str]],
    path: str,
    owner: object,
) -> ServedModel:
    def call(values: Mapping[str, object]) -> dict[str, object]:
        found = signature(**{key: _to_tensor(values[key], spec) for key, spec in inputs.items()})
        return {key: found[key].numpy() for key in sorted(found)}

    call.owner = owner  # type: ignore[attr-defined] # TensorFlow forgets variables that nobody holds
    outputs = sorted(signature.structured_outputs)
    nodes, known = read_graph(path)
    return ServedModel(inputs, outputs, call, source, (signature, owner), layers, nodes, known)


def _to_tensor(value: object, spec: Spec) -> object:
    if spec.dtype == "str":
        return tf.constant(np.asarray(value, dtype=object), tf.string)
    return tf.constant(value, tf.as_dtype(spec.dtype))


def compute_weights_size(source: Sequence[str]) -> int:
    """Return the size in bytes of the weights that the converter gets, without those of optimizers."""
    path = source[1]
    prefix = path.removesuffix(".meta") if source[0] == "--checkpoint" else f"{path}/variables/variables"
    if not Path(f"{prefix}.index").is_file():
        return 0  # frozen: the weights are in the graph, which is also limited to 2 GB
    reader = tf.train.load_checkpoint(prefix)
    types = reader.get_variable_to_dtype_map()
    shapes = reader.get_variable_to_shape_map().items()
    sizes = {name: int(np.prod(shape, dtype=np.int64)) * types[name].size for name, shape in shapes}
    return sum(size for name, size in sizes.items() if not NO_WEIGHT.search(name))


def read_graph(path: str) -> tuple[list[tuple[str, str]], dict[str, list[object]]]:
    """Return the nodes of a SavedModel, and the constants that may belong to tables: texts and integers."""
    from tensorflow.core.protobuf import saved_model_pb2  # noqa: PLC0415

    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString(Path(path, "saved_model.pb").read_bytes())
    nodes: list[tuple[str, str]] = []
    known: dict[str, dict[object, None]] = {"str": {}, "int": {}}
    for node in _iterate_nodes(proto):
        nodes.append((node.name, node.op))
        if node.op == "Const":
            _add_constants(node.attr["value"].tensor, known)
    for asset in sorted(Path(path, "assets").glob("*")):
        known["str"].update(dict.fromkeys(asset.read_text(encoding="utf-8", errors="replace").splitlines()[:CONSTANTS]))
    return nodes, {kind: list(values)[:CONSTANTS] for kind, values in known.items()}


def _iterate_nodes(proto: Any) -> Iterator[Any]:
    for graph in proto.meta_graphs:
        yield from graph.graph_def.node
        for function in graph.graph_def.library.function:
            yield from function.node_def


def _add_constants(tensor: Any, known: dict[str, dict[object, None]]) -> None:
    kind = {tf.string.as_datatype_enum: "str", tf.int64.as_datatype_enum: "int", tf.int32.as_datatype_enum: "int"}.get(
        tensor.dtype
    )
    if kind is None or len(known[kind]) >= CONSTANTS:
        return
    values = tf.make_ndarray(tensor).ravel()[:CONSTANTS].tolist()
    known[kind].update(dict.fromkeys(one.decode("utf-8", "replace") if isinstance(one, bytes) else int(one) for one in values))


def read_keras_model(kind: str, path: str, weights: str | None) -> object:
    """Return the model of a Keras file. Raises LoadError."""
    import keras  # noqa: PLC0415 - a SavedModel needs none

    try:
        if kind == "json":
            model = keras.models.model_from_json(Path(path).read_text(encoding="utf-8"))
            model.load_weights(weights)
            return model
        return keras.models.load_model(path, compile=False)
    except Exception as err:  # Keras's errors: a file of another generation, unknown classes, code in a Lambda
        raise _describe_load_error(keras.__version__, err) from None


def _describe_load_error(version: str, err: Exception) -> LoadError:
    what = f"Keras {version} can't load it: {_summarize_error(err)}"
    if "Lambda" in str(err) or "safe_mode" in str(err):
        return LoadError(
            what, "a Lambda layer holds code that would be run: export in the script, model.export('outputs/model')"
        )
    if "Unknown layer" in str(err) or "custom_objects" in str(err) or "Could not locate class" in str(err):
        return LoadError(what, "it has classes of your own: export in the script, model.export('outputs/model')")
    return LoadError(what, "if another Keras saved it, name the environment for that one: --environment onnx-tf2.15-keras2")


def load_keras(model: Any, work: Path) -> ServedModel:
    """Return a Keras model, with a SavedModel of it in inference mode. Raises LoadError."""
    if not getattr(model, "inputs", None):
        raise LoadError("the model does not know its inputs", "export in the script: model.export('outputs/model')")
    names = _to_unique_names([_get_name(tensor) for tensor in model.inputs])
    known = (getattr(model, name, None) for name in ("_inputs_struct", "_nested_inputs"))  # of Keras 3, of Keras 2
    structure = next((one for one in known if one is not None), None)

    def answer(*tensors: object) -> dict[str, object]:
        packed = tensors[0] if structure is None else tf.nest.pack_sequence_as(structure, list(tensors))
        return _name_outputs(model, model(packed, training=False))

    types = [
        tf.TensorSpec(tensor.shape, tf.as_dtype(tensor.dtype), name) for name, tensor in zip(names, model.inputs, strict=True)
    ]
    function = tf.function(answer, input_signature=types, autograph=False)
    module = tf.Module()
    module.model = model
    folder = str(work / "saved-model")
    signature = function.get_concrete_function()
    layers = [(layer.name, type(layer).__name__) for layer in _walk_layers(model)]
    try:
        tf.saved_model.save(module, folder, signatures={NO_NAME: signature})
    except Exception:  # seeds of Keras 3's random layers, which nothing refers to
        refused = build_refusal(layers, (), "")
        raise LoadError(refused["what"], refused["remedy"], code=refused["code"], layers=refused["layers"]) from None
    return load_saved_model(folder, NO_NAME)._replace(layers=layers)


def _get_name(tensor: Any) -> str:
    history = getattr(tensor, "_keras_history", None)
    owner = getattr(history, "operation", None) or getattr(history, "layer", None)
    return str(owner.name if owner is not None else tensor.name).split(":")[0]


def _to_unique_names(names: Sequence[str]) -> list[str]:
    clean = ["".join(sign if sign.isalnum() or sign == "_" else "_" for sign in name) for name in names]
    return [name if clean.count(name) == 1 else f"{name}_{number}" for number, name in enumerate(clean)]


def _name_outputs(model: object, answer: object) -> dict[str, object]:
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    flat = tf.nest.flatten(answer)
    names = list(getattr(model, "output_names", None) or ())
    names = _to_unique_names(names) if len(names) == len(flat) else [f"output_{number}" for number in range(len(flat))]
    return dict(zip(names, flat, strict=True))


def _walk_layers(model: object) -> Iterator[Any]:
    for layer in getattr(model, "layers", ()):
        yield layer
        yield from _walk_layers(layer)


def load_checkpoint(path: str, inputs: Sequence[str], outputs: Sequence[str]) -> ServedModel:
    """Return the graph of a TensorFlow 1 checkpoint (``.meta``), between the tensors named. Raises LoadError."""
    graph = tf.Graph()
    with graph.as_default():
        saver = tf.compat.v1.train.import_meta_graph(path, clear_devices=True)
        candidates = _find_candidates(graph)
        if not inputs or not outputs:
            what = "a checkpoint does not say which tensors are its inputs and outputs"
            raise LoadError(what, "pass --inputs and --outputs, separated by commas", candidates=candidates)
        tensors = {name: _get_tensor(graph, name, candidates) for name in (*inputs, *outputs)}
        session = tf.compat.v1.Session(graph=graph)
        saver.restore(session, path.removesuffix(".meta"))
    specs = {name: build_spec(tensors[name]) for name in inputs}

    def call(values: Mapping[str, object]) -> dict[str, object]:
        fetched = session.run([tensors[name] for name in outputs], {tensors[name]: values[name] for name in inputs})
        return {name: np.asarray(value) for name, value in zip(outputs, fetched, strict=True)}

    source = ["--checkpoint", path, "--inputs", ",".join(inputs), "--outputs", ",".join(outputs)]
    nodes = [(op.name, op.type) for op in graph.get_operations()]
    return ServedModel(specs, outputs, call, source, None, (), nodes, {})


def _get_tensor(graph: Any, name: str, candidates: Mapping[str, object]) -> object:
    try:
        return graph.get_tensor_by_name(name)
    except (KeyError, ValueError):
        raise LoadError(f"has no tensor {name}", "name one of the candidates, as NAME:0", candidates=candidates) from None


def _find_candidates(graph: Any) -> dict[str, list[str]]:
    """Return candidates for inputs and outputs: placeholders, and the last operations of layers."""
    ops = [op for op in graph.get_operations() if not _is_of_training(op.name)]
    inputs = [op.outputs[0] for op in ops if op.type in ("Placeholder", "PlaceholderWithDefault")]
    ends = [op.outputs[0] for op in ops if op.type in ENDS]
    return {"inputs": [_describe(tensor) for tensor in inputs], "outputs": [_describe(tensor) for tensor in ends][-20:]}


def _is_of_training(name: str) -> bool:
    scopes = name.split("/")
    return scopes[0].startswith(TRAINING_FUNCTIONS) or any(scope.startswith(("gradients", "Initializer")) for scope in scopes)


def _describe(tensor: Any) -> str:
    shape = "?" if tensor.shape.rank is None else ",".join("?" if one is None else str(one) for one in tensor.shape.as_list())
    return f"{tensor.name} {tensor.dtype.name}[{shape}]"


def list_versions() -> dict[str, str]:
    import keras  # noqa: PLC0415
    import onnx  # noqa: PLC0415
    import onnxruntime  # noqa: PLC0415
    import tf2onnx  # noqa: PLC0415

    return {one.__name__: str(one.__version__) for one in (tf, keras, onnx, onnxruntime, tf2onnx)}


def _summarize_error(err: BaseException) -> str:
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return " ".join(lines)[:300] or type(err).__name__
