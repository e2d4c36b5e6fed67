"""What a Horovod that slurmtf builds is built from: login node and builder name by it what they build.

Its last release is of 2023. Newer compilers and TensorFlows take its sources once they are mended, and Gloo the interface that
it is told. Each mend is a piece of text and what stands in its place; it is done where a release has the text.
"""

import hashlib
import json
from typing import NamedTuple

from .. import variables as var

RELEASE = "0.28.1"
TOOLS = ("pip", "setuptools<82", "wheel", "packaging", "cmake<4")
"""What a build needs beside TensorFlow and a compiler; it is kept out of the environment."""
OPTIONS = {
    var.HOROVOD_WITH_TENSORFLOW: "1",
    var.HOROVOD_WITHOUT_PYTORCH: "1",
    var.HOROVOD_WITHOUT_MXNET: "1",
    var.HOROVOD_WITH_GLOO: "1",
}
DIGITS = 12


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
XLA_GUARD = "#if TENSORFLOW_VERSION >= 2006000000\n"
FOR_GPUS = Mend("horovod/tensorflow/xla_mpi_ops.cc", XLA_GUARD, XLA_GUARD.replace("\n", " && HAVE_GPU\n"))
"""Leaves a source out that is for GPUs only."""
WITHOUT_XLA = (2, 19)
"""The first TensorFlow that ships the headers no more which that source includes (Horovod pull request 4302)."""


def digest() -> str:
    """Return what tells builds apart that have the same spec: a hash of all that each takes beside it."""
    content = [RELEASE, TOOLS, OPTIONS, MENDS, FOR_GPUS, WITHOUT_XLA]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()[:DIGITS]
