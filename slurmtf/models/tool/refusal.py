"""Why a model can't be converted, by its layers, and what to do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .interchange import JsonObject

LARGEST = 2**31 - 1
"""Bytes of an ONNX file: it is one message of protocol buffers (protobuf.dev, "Proto Limits"). Weights in files of their own
are not written."""
UNSUPPORTED = re.compile(r"Tensorflow op \[(?P<node>[^\]]+?): (?P<op>\w+)\] is not supported")
REMEDY = (
    "move {layers} out of the model: build the model from what comes after, keras.Model(inputs of the next layer, "
    "model.outputs), and apply the layer to the data before, for example dataset.map(lambda x: layer(x)); see docs/models.md"
)
OTHER_REMEDY = "export another model, or change the parts that the converter's message names"
RANDOM = tuple(
    f"Random{what}" for what in ("Flip", "Rotation", "Zoom", "Translation", "Crop", "Contrast", "Brightness", "Height", "Width")
)
LAYERS = {
    "TextVectorization": "splits text",
    "Hashing": "hashes",
    "HashedCrossing": "hashes",
    "IntegerLookup": "looks integers up in a table",
    "Discretization": "sorts numbers into bins",
    **dict.fromkeys(RANDOM, "draws random numbers"),
    "StringLookup": "looks texts up in a table",
}
"""The preprocessing layers of Keras that ONNX or its runtime has no operation for, and what they do."""
OPS = {
    "StringLower": "TextVectorization",
    "StringSplitV2": "TextVectorization",
    "StaticRegexReplace": "TextVectorization",
    "RaggedTensorToTensor": "TextVectorization",
    "StringToHashBucketFast": "Hashing",
    "StringToHashBucketStrong": "Hashing",
    "SparseCrossHashed": "HashedCrossing",
    "Bucketize": "Discretization",
    "LookupTableFindV2": "IntegerLookup",
    "ImageProjectiveTransformV3": "RandomRotation",
    "StatelessRandomUniformV2": "RandomFlip",
}
"""The operations by which such layers are recognized in a graph, in the order of what is asked first."""


def find_unsupported(log: str) -> list[tuple[str, str]]:
    """Return name and operation of each node that the converter reports as unsupported."""
    return list(dict.fromkeys((found["node"], found["op"]) for found in UNSUPPORTED.finditer(log)))


def build_refusal(layers: Iterable[Sequence[str]], nodes: Iterable[Sequence[str]], log: str) -> JsonObject:
    """Return the refusal of a model that no route could convert.

    ``layers`` are the names and classes of the model's layers, ``nodes`` the names and operations of its graph, ``log`` what
    the converter printed.
    """
    culprits = _find_by_class(layers) or _find_by_op(find_unsupported(log)) or _find_by_op(nodes)
    names = [name for name, _ in culprits]
    if culprits:
        what = "; ".join(f"the layer {name} ({kind}) {LAYERS.get(kind, 'has no counterpart')}" for name, kind in culprits)
        remedy = REMEDY.format(layers=" and ".join(names))
        return {"code": "not-convertible", "layers": names, "what": f"{what}, which ONNX can't do", "remedy": remedy}
    ops = [f"{op} ({node})" for node, op in find_unsupported(log)]
    what = (
        f"has operations that ONNX does not have: {', '.join(ops[:5])}"
        if ops
        else "no converter produced a file that agrees with it"
    )
    return {"code": "not-convertible", "layers": [], "what": what, "remedy": OTHER_REMEDY}


def _find_by_class(layers: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """Return layers of unsupported classes. StringLookup converts on some routes: it is named if nothing else is."""
    found = [(name, kind) for name, kind in layers if kind in LAYERS]
    return [one for one in found if one[1] != "StringLookup"] or found


def _find_by_op(nodes: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """Return layers by their unsupported operations; a node's name contains that of its layer."""
    known = [(OPS[op], node) for node, op in nodes if op in OPS]
    kinds = list(dict.fromkeys(kind for kind, _ in known))
    surest = next((kind for kind in OPS.values() if kind in kinds), None)
    return list(dict.fromkeys((parse_layer_name(node), kind) for kind, node in known if kind == surest))


def parse_layer_name(node: str) -> str:
    """Return the layer's name in a node's: ``hashing`` in ``model/hashing/StringToHashBucketFast``.

    In an inlined graph it is preceded by the names of functions, as in ``StatefulPartitionedCall/model/hashing/...``.
    """
    parts = [part for part in node.partition(":")[0].split("/") if not re.match(r"(Stateful)?PartitionedCall", part)]
    return parts[-2] if len(parts) > 1 else parts[-1] if parts else node


def check_size(weights: int) -> JsonObject | None:
    """Return why a model with so many bytes of weights is not converted; None if it can be."""
    if weights < LARGEST:
        return None
    what = f"its weights take {weights / 1e9:.1f} GB, and an ONNX file holds 2 GB at most"
    remedy = "use it as it is: 'slurmtf score' and 'slurmtf serve' run it by TensorFlow; or save its weights as float16"
    return {"code": "too-large", "what": what, "remedy": remedy, "layers": []}
