"""What goes into a Horovod that slurmtf builds: login node and builder name their builds by it.

Its last release is of 2023. Newer compilers and TensorFlows accept its sources once they are patched, and Gloo then uses the
interface that it is told to. Each patch replaces a piece of text, if the release has that text.
"""

import hashlib
import json
from typing import NamedTuple

from .. import variables as var

RELEASE = "0.28.1"
TOOLS = ("pip", "setuptools<82", "wheel", "packaging", "cmake<4")
"""What a build needs in addition to TensorFlow and a compiler; it is kept out of the environment."""
OPTIONS = {
    var.HOROVOD_WITH_TENSORFLOW: "1",
    var.HOROVOD_WITHOUT_PYTORCH: "1",
    var.HOROVOD_WITHOUT_MXNET: "1",
    var.HOROVOD_WITH_GLOO: "1",
}
DIGITS = 12


class Patch(NamedTuple):
    """Replaces ``old`` in a file of the sources by ``new``."""

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
PATCHES = (
    # gcc 13 and 14 bring fewer headers along with others (gcc.gnu.org/gcc-13/porting_to.html, "Header dependency changes")
    Patch(COMMON, "#include <memory>\n", "#include <memory>\n#include <stdexcept>\n"),
    Patch(GROUP_TABLE, "#include <queue>\n", "#include <queue>\n#include <string>\n"),
    Patch(NVTX, "#include <memory>\n#include <nvtx3", "#include <cstdint>\n#include <memory>\n#include <nvtx3"),
    *(Patch(GLOO_TYPES.format(gloo), "#include <iostream>\n", "#include <cstdint>\n#include <iostream>\n") for gloo in GLOOS),
    *(Patch(GLOO_DEVICE.format(one), "#include <string.h>\n\n", "#include <string.h>\n#include <array>\n\n") for one in GLOOS),
    # gcc 14 looks into templates that nobody instantiates: this one assigns to constants
    Patch(SPAN, "  pointer const data_;\n  const size_type count_;\n", "  pointer data_;\n  size_type count_;\n"),
    Patch(SPAN, "    count_ = other.count_;\n  }\n", "    count_ = other.count_;\n    return *this;\n  }\n"),
    # Linux 6 gave this structure a flexible array, which C++ takes at an end only; the speed is asked for in an older way then
    *(Patch(GLOO_LINUX.format(gloo), SPEED, SPEED.replace("(4,6,0)", "(255,0,0)")) for gloo in GLOOS),
    # What processes send each other goes by a context of its own, which forgot HOROVOD_GLOO_IFACE (0.22 on): it took the
    # address of the node's own name, by which others may not reach it (network.host_suffix)
    Patch(GLOO_CONTEXT, OF_ALL, OF_ALL + "  gloo_iface_ = global_context.gloo_iface_;\n"),
)  # fmt: skip
XLA_GUARD = "#if TENSORFLOW_VERSION >= 2006000000\n"
FOR_GPUS = Patch("horovod/tensorflow/xla_mpi_ops.cc", XLA_GUARD, XLA_GUARD.replace("\n", " && HAVE_GPU\n"))
"""Leaves out a source that is only for GPUs."""
WITHOUT_XLA = (2, 19)
"""The first TensorFlow without the headers that this source includes (Horovod pull request 4302)."""


def digest() -> str:
    """Return what distinguishes builds with the same spec: a hash of everything else that goes into each."""
    content = [RELEASE, TOOLS, OPTIONS, PATCHES, FOR_GPUS, WITHOUT_XLA]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()[:DIGITS]
