"""Messages about incompatible libraries."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

LIBRARIES: tuple[Rule, ...] = (
    Rule("horovod-build", Kind.LIBRARY, ("HorovodVersionMismatchError", "has not been built"),
         r"HorovodVersionMismatchError|(?:MPI|Gloo|NCCL) support has not been built|Extension horovod\.\S+ has not been built",
         "Horovod was built for another TensorFlow, or without a feature that is needed: "
         "'slurmtf env build-horovod' compiles it again where the job runs"),
    Rule("undefined-symbol", Kind.LIBRARY, ("undefined symbol: ",), r"undefined symbol: (\S+)",
         "the library was built for another version of what it uses: install it again where the job runs; Horovod by "
         "'slurmtf env build-horovod'"),
    Rule("other-version", Kind.LIBRARY, ("cannot import name",),
         r"cannot import name '\w+' from (?:partially initialized module )?'([\w.]+)' "
         r"\(\S*(?:(?:site|dist)-packages|google/protobuf)/",
         "{0} has another version than the package that imports it expects: request versions that match (`pip_packages`)"),
    Rule("versions", Kind.LIBRARY, ("but found ", "VersionConflict", "jaxlib"),
         r"(?:ImportError|VersionConflict): \S+ is required .*but found \S+|VersionConflict: \(.+|"
         r"jaxlib (?:is )?version .*(?:of jax requires|newer than)",
         "a package has another version than one that uses it requires: install both together (`pip_packages`)"),
    Rule("pythonhome", Kind.LIBRARY, ("No module named 'encodings'", "codec of the filesystem encoding",
         "should not try to import numpy from", "numpy C-extensions failed"),
         r"No module named 'encodings'|failed to get the Python codec of the filesystem encoding|"
         r"should not try to import numpy from|numpy C-extensions failed",
         "PYTHONHOME or PYTHONPATH is of another Python: leave out the module that sets it (`environment_definition.modules`)"),
    Rule("mpi-library", Kind.LIBRARY, ("libmpi", "libpmi", "libucp", "libucs"),
         r"(?<![\w+.-])(lib(?:mpi|pmi|ucp|ucs)[\w+.-]*): cannot open shared object file",
         "{0} is not on the node, or not in the image: load the module of the MPI that it was built with "
         "(`environment_definition.modules`)"),
    Rule("library-missing", Kind.LIBRARY, ("cannot open shared object file", "Error loading shared library",
         "annot load "),
         r"(?:ImportError|OSError|error while loading shared libraries|NotFoundError).*?(lib[\w.+-]+\.so[\w.]*): "
         r"cannot open shared object file|(?:Error loading shared library|[Cc]annot load) (\S+\.so[\w.]*)(?::| or |\.\n|\.?$)",
         "{0}{1} is not on the node, or not in the image: load the module that brings it, or build it into the image"),
    Rule("no-library", Kind.LIBRARY, ("ELF header", "ELF class", "file too short"),
         r"(?<!\S)(\S+): (?:invalid ELF header|wrong ELF class\S*|file too short)",
         "{0} is not a library for this kind of machine: it is truncated, a Git LFS pointer (git lfs pull), or for another"),
    Rule("compiled-part", Kind.LIBRARY, ("No module named",), r"No module named '?([\w.]+\._\w+)",
         "{0} is a compiled part of a package, built for another Python or left out: install the package again in the job's"),
    Rule("part-of-package", Kind.LIBRARY, ("No module named",),
         r"No module named '((?:tensorflow|keras|horovod|numpy|scipy|torch|jax|sklearn|pandas|google\.protobuf)\.[\w.]+)'",
         "{0} is not in the version of the package that is installed: ask for versions that match (`pip_packages`)"),
    Rule("openmp", Kind.LIBRARY, ("OpenMP runtime", "OMP: Error #15"), r"multiple copies of the OpenMP runtime|OMP: Error #15",
         "packages from pip and conda, or two of them, each provide an OpenMP: install all from one of the two"),
    Rule("glibcxx", Kind.LIBRARY, ("GLIBCXX_", "CXXABI_"),
         r"version [`']((?:GLIBCXX|CXXABI)_[\d.]+)' not found",
         "the C++ library that is found first is too old ({0}): load a newer gcc module, or install libstdcxx-ng in the conda "
         "environment"),
    Rule("glibc", Kind.LIBRARY, ("GLIBC_",), r"version [`'](GLIBC_[\d.]+)' not found",
         "the wheel is too new for the node's system ({0}): use an older one, conda's build, or a container (`image`)"),
    Rule("symbol-version", Kind.LIBRARY, ("not found (required by", "link time reference"),
         r"(?<!\S)(\S+): version [`']\S+' not found \(required by|not defined in file (\S+) with link time reference",
         "the {0}{1} that is found first is of another version than what uses it was built with: leave out the module or the "
         "LD_LIBRARY_PATH that brings it, or build again where the job runs"),
    Rule("loader", Kind.LIBRARY, ("error while loading shared libraries", "ImportError: ", "OSError: ", "detected by ld.so"),
         r"error while loading shared libraries: (.*)|(?:ImportError|OSError): \S+\.so[\w.]*: (.*)|"
         r"Inconsistency detected by ld\.so: (.*)",
         "a library can't be loaded on the node ({0}{1}{2}): use one that was built for its system, or a container (`image`)"),
    Rule("numpy-abi", Kind.LIBRARY, ("numpy.dtype size changed", "compiled using NumPy 1", "_ARRAY_API not found",
         "module compiled against A", "failed to import", "Unable to convert function return value",
         "removed in the NumPy 2.0"),
         r"numpy\.dtype size changed|compiled using NumPy 1\.x cannot be run|_ARRAY_API not found|"
         r"module compiled against A[BP]I version|numpy\.\w+\.\w+ failed to import|"
         r"Unable to convert function return value to a Python type|removed in the NumPy 2\.0 release",
         "a package was built for another numpy: set `pip_packages[]=numpy<2`, or install that package again"),
    Rule("numpy-names", Kind.LIBRARY, ("module 'numpy' has no attribute",),
         r"module 'numpy' has no attribute '(?:bool|int|float|object|str|complex|long|unicode|typeDict)'",
         "the code is written for an older numpy: set `pip_packages[]=numpy<1.24`, or use newer versions of what needs it"),
    Rule("protobuf", Kind.LIBRARY, ("Descriptors cannot be created directly", "Descriptors cannot not be created directly"),
         r"Descriptors cannot (?:not )?be created directly",
         "protobuf is too new for this TensorFlow: set `pip_packages[]=protobuf<3.21`, or use a newer TensorFlow"),
    Rule("hdf5-versions", Kind.LIBRARY, ("library version mismatch",), r"HDF5 library version mismatche?d?",
         "two builds of HDF5 in one process: install h5py again, and load no module that brings another one "
         "(`environment_definition.modules`)"),
    Rule("keras-3", Kind.LIBRARY, ("Keras 3", "Keras 2"),
         r"(?:only supports|requires|expects) Keras 2|Keras 3 only supports|incompatible with Keras 3",
         "the script is written for another Keras: set `legacy_keras=true` for Keras 2 (package tf_keras)"),
)  # fmt: skip
