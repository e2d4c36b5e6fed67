"""What goes into a Horovod that slurmtf builds. The login node and the builder derive the names of builds from it.

Horovod's last release is from 2023. Newer compilers and TensorFlows accept its sources once they are patched, and Gloo then
uses the interface that it is given. Each patch replaces a piece of text, if the release has that text.
"""

import hashlib
import json
from typing import NamedTuple

from .. import variables as var

RELEASE = "0.28.1"
TOOLS = ("pip", "setuptools<82", "wheel", "packaging", "cmake<4")
"""What a build needs in addition to TensorFlow and a compiler; not installed into the environment."""
OPTIONS = {
    var.HOROVOD_WITH_TENSORFLOW: "1",
    var.HOROVOD_WITHOUT_PYTORCH: "1",
    var.HOROVOD_WITHOUT_MXNET: "1",
    var.HOROVOD_WITH_GLOO: "1",
}
DIGITS = 12


class Patch(NamedTuple):
    """Replaces ``old`` in a source file by ``new``."""

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
ASSERT_ENABLED = "  assert(global_context.IsEnabled());\n"
GLOOS = ("gloo", "compatible_gloo")
SPEED = """KERNEL_VERSION(4,6,0)
  constexpr auto link_mode_data_nwords = 3 * 127;
  struct {
    struct ethtool_link_settings req;"""
PATCHES = (
    # In gcc 13 and 14, headers include fewer others (gcc.gnu.org/gcc-13/porting_to.html, "Header dependency changes")
    Patch(COMMON, "#include <memory>\n", "#include <memory>\n#include <stdexcept>\n"),
    Patch(GROUP_TABLE, "#include <queue>\n", "#include <queue>\n#include <string>\n"),
    Patch(NVTX, "#include <memory>\n#include <nvtx3", "#include <cstdint>\n#include <memory>\n#include <nvtx3"),
    *(Patch(GLOO_TYPES.format(gloo), "#include <iostream>\n", "#include <cstdint>\n#include <iostream>\n") for gloo in GLOOS),
    *(Patch(GLOO_DEVICE.format(one), "#include <string.h>\n\n", "#include <string.h>\n#include <array>\n\n") for one in GLOOS),
    # gcc 14 checks templates that are never instantiated: this one assigns to constants
    Patch(SPAN, "  pointer const data_;\n  const size_type count_;\n", "  pointer data_;\n  size_type count_;\n"),
    Patch(SPAN, "    count_ = other.count_;\n  }\n", "    count_ = other.count_;\n    return *this;\n  }\n"),
    # Linux 6 gave this structure a flexible array, which C++ allows only at the end: query the speed in the older way
    *(Patch(GLOO_LINUX.format(gloo), SPEED, SPEED.replace("(4,6,0)", "(255,0,0)")) for gloo in GLOOS),
    # Point-to-point messages use a context of their own, which ignores HOROVOD_GLOO_IFACE (since 0.22): it uses the address of
    # the node's own name, which other nodes may not reach (network.host_suffix)
    Patch(GLOO_CONTEXT, ASSERT_ENABLED, ASSERT_ENABLED + "  gloo_iface_ = global_context.gloo_iface_;\n"),
)  # fmt: skip
XLA_GUARD = "#if TENSORFLOW_VERSION >= 2006000000\n"
FOR_GPUS = Patch("horovod/tensorflow/xla_mpi_ops.cc", XLA_GUARD, XLA_GUARD.replace("\n", " && HAVE_GPU\n"))
"""Leaves out a source file that is only for GPUs."""
WITHOUT_XLA = (2, 19)
"""The first TensorFlow without the headers that this file includes (Horovod pull request 4302)."""


def compute_build_digest() -> str:
    """Return a hash of everything that goes into a build besides its spec."""
    content = [RELEASE, TOOLS, OPTIONS, PATCHES, FOR_GPUS, WITHOUT_XLA]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("utf-8")).hexdigest()[:DIGITS]
