"""Why a model can't be converted: the name of the layer, in all ways of finding it."""

from __future__ import annotations

import pytest

from slurmtf.models.tool.refusal import build_refusal, check_size, find_unsupported, parse_layer_name

LOG = """
2026-11-28 07:39:45,270 - ERROR - Tensorflow op [StatefulPartitionedCall/model/words/StringLower: StringLower] is not supported
2026-11-28 07:39:45,297 - ERROR - Tensorflow op [StatefulPartitionedCall/model/fft/FFT: FFT] is not supported
"""


def test_unsupported_operations_are_read() -> None:
    assert find_unsupported(LOG + LOG) == [
        ("StatefulPartitionedCall/model/words/StringLower", "StringLower"),
        ("StatefulPartitionedCall/model/fft/FFT", "FFT"),
    ]


@pytest.mark.parametrize(
    ("layers", "nodes", "log", "names", "word"),
    [
        ([("dense", "Dense"), ("words", "TextVectorization")], [], "", ["words"], "TextVectorization"),
        ([("a", "Hashing"), ("b", "IntegerLookup")], [], "", ["a", "b"], "hashes"),
        ([("colours", "StringLookup"), ("bins", "Discretization")], [], "", ["bins"], "Discretization"),
        ([("colours", "StringLookup")], [], "", ["colours"], "StringLookup"),
        ([("flip", "RandomFlip")], [], "", ["flip"], "random"),
        ([], [], LOG, ["words"], "TextVectorization"),
        ([], [("model/bins/Bucketize", "Bucketize"), ("model/dense/MatMul", "MatMul")], "", ["bins"], "Discretization"),
        ([], [], LOG.replace("StringLower", "Other"), [], "Other"),
        ([("dense", "Dense")], [], "", [], "no converter"),
    ],
)
def test_the_unsupported_layer_is_named(
    layers: list[tuple[str, str]], nodes: list[tuple[str, str]], log: str, names: list[str], word: str
) -> None:
    found = build_refusal(layers, nodes, log)
    assert (found["code"], found["layers"]) == ("not-convertible", names)
    assert word in found["what"]
    assert all(name in found["what"] and name in found["remedy"] for name in names)
    assert "dataset.map" in found["remedy"] or not names


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("StatefulPartitionedCall/model/hashing/hash:0", "hashing"),
        ("hashing/hash", "hashing"),
        ("StatefulPartitionedCall/StatefulPartitionedCall/m/text/Lower", "text"),
        ("alone", "alone"),
    ],
)
def test_a_node_names_its_layer(node: str, layer: str) -> None:
    assert parse_layer_name(node) == layer


def test_weights_too_large_for_any_file_are_refused() -> None:
    assert check_size(2**31 - 2) is None
    refused = check_size(2**31)
    assert refused
    assert (refused["code"], "2.1 GB" in refused["what"], "slurmtf score" in refused["remedy"]) == ("too-large", True, True)
