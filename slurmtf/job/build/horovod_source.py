"""What Horovod's sources need: newer compilers and TensorFlows take them then, and Gloo the interface that it is told.

Its last release is of 2023. Each mend is a piece of text and what stands in its place; it is done where a release has the text.
"""

import os
import re
from typing import NamedTuple, Tuple

from .work import BuildError

XLA_SOURCE = "horovod/tensorflow/xla_mpi_ops.cc"
XLA_GUARD = "#if TENSORFLOW_VERSION >= 2006000000\n"
WITHOUT_XLA = (2, 19)
"""The first TensorFlow that ships the headers no more which this source includes, for GPUs only (Horovod pull request 4302)."""


class Mend(NamedTuple):
    """``old`` in a file of the sources becomes ``new``."""

    file: str
    old: str
    new: str


COMMON = "horovod/common/common.h"
NVTX = "horovod/common/nvtx_op_range.h"
GROUP_TABLE = "horovod/common/group_table.h"
SPAN = "third_party/flatbuffers/include/flatbuffers/stl_emulation.h"
GLOO_LINUX = "third_party/{}/gloo/common/linux.cc"
GLOO_TYPES = "third_party/{}/gloo/types.h"
GLOO_DEVICE = "third_party/{}/gloo/transport/tcp/device.cc"
GLOO_CONTEXT = "horovod/common/gloo/gloo_context.cc"
OF_ALL = "  assert(global_context.IsEnabled());\n"
GLOOS = ("gloo", "compatible_gloo")
SPEED = """KERNEL_VERSION(4,6,0)
  constexpr auto link_mode_data_nwords = 3 * 127;
  struct {
    struct ethtool_link_settings req;"""
MENDS = (
    # gcc 13 and 14 bring fewer headers along with others (gcc.gnu.org/gcc-13/porting_to.html, "Header dependency changes")
    Mend(COMMON, "#include <memory>\n", "#include <memory>\n#include <stdexcept>\n"),
    Mend(GROUP_TABLE, "#include <queue>\n", "#include <queue>\n#include <string>\n"),
    Mend(NVTX, "#include <memory>\n#include <nvtx3", "#include <cstdint>\n#include <memory>\n#include <nvtx3"),
    *(Mend(GLOO_TYPES.format(gloo), "#include <iostream>\n", "#include <cstdint>\n#include <iostream>\n") for gloo in GLOOS),
    *(Mend(GLOO_DEVICE.format(gloo), "#include <string.h>\n\n", "#include <string.h>\n#include <array>\n\n") for gloo in GLOOS),
    # gcc 14 looks into templates that nobody instantiates: this one assigns to constants
    Mend(SPAN, "  pointer const data_;\n  const size_type count_;\n", "  pointer data_;\n  size_type count_;\n"),
    Mend(SPAN, "    count_ = other.count_;\n  }\n", "    count_ = other.count_;\n    return *this;\n  }\n"),
    # Linux 6 gave this structure a flexible array, which C++ takes at an end only; the speed is asked for in an older way then
    *(Mend(GLOO_LINUX.format(gloo), SPEED, SPEED.replace("(4,6,0)", "(255,0,0)")) for gloo in GLOOS),
    # What processes send each other goes by a context of its own, which forgot HOROVOD_GLOO_IFACE (0.22 on): it took the
    # address of the node's own name, by which others may not reach it (network.host_suffix)
    Mend(GLOO_CONTEXT, OF_ALL, OF_ALL + "  gloo_iface_ = global_context.gloo_iface_;\n"),
)  # fmt: skip


def mend(source: str, tensorflow: str, for_gpus: bool) -> None:
    """Mend the sources in a folder. Raises BuildError when a release can't be had for this TensorFlow."""
    for one in MENDS:
        path = os.path.join(source, one.file)
        if os.path.isfile(path):
            _write(path, _text(path).replace(one.old, one.new))
    if version_of(tensorflow) >= WITHOUT_XLA and not for_gpus:
        _leave_xla_out(source)


def _leave_xla_out(source: str) -> None:
    """Leave a source out that is for GPUs only, and whose headers newer TensorFlows lack."""
    path = os.path.join(source, XLA_SOURCE)
    text = _text(path)
    if text.count(XLA_GUARD) != 1:
        raise BuildError("this release of Horovod can't be mended for TensorFlow 2.19 and later", "ask for horovod==0.28.1")
    _write(path, text.replace(XLA_GUARD, XLA_GUARD.replace("\n", " && HAVE_GPU\n")))


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def version_of(text: str) -> Tuple[int, ...]:
    """Return major and minor number of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
