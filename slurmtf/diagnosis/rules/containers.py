"""Containers, and the programs that they and the shell can't start."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

OTHER_PYTHON = "set `environment_definition.python` to one that it has, 3.6 or later"

CONTAINERS: tuple[Rule, ...] = (
    Rule("runtime-missing", Kind.MODULE, ("execve(): ", "directory: '"),
         r"(?:execve\(\): |directory: ')(apptainer|singularity|podman-hpc|shifter)",
         "{0} is not on the node: load the module that brings it (`environment_definition.modules`, or containers.modules in "
         "the site's profile)"),
    Rule("not-in-image", Kind.COMMAND, ("not found in $PATH",), r"executable file .*not found in \$PATH",
         f"the image has no such program: {OTHER_PYTHON}, or use another image"),
    Rule("image-missing", Kind.IMAGE, ("could not open image", "[ERROR] No such file"),
         r"(?:could not open image|\[ERROR\] No such file or directory:) ([^\s:]+)",
         "the node does not have the image {0}: put it where all nodes see it"),
    Rule("bind-missing", Kind.IMAGE, ("mount source ", "failed to mount: "),
         r"(?:mount source |failed to mount: )(\S+) (?:doesn't exist|at .*No such file)",
         "the node has no {0}, which the container should see (containers.binds in the profile)"),
    Rule("image-format", Kind.IMAGE, ("Invalid image format",), r"Invalid image format: ",
         "pyxis starts squashfs files: 'enroot import' creates one of an image in a registry"),
    Rule("image-fetch", Kind.IMAGE, ("failed to import docker image", "Unable to handle "),
         r"failed to import docker image|Unable to handle (?:docker|oras|library|shub)://",
         "the node could not fetch the image: is the name right, does the node reach the registry, and is a login that it "
         "needs there (enroot: ~/.config/enroot/.credentials)? Better fetch it on the login node, into a file"),
    Rule("image-machine", Kind.IMAGE, ("exec format error",), r"exec format error",
         "the image is for another kind of machine (x86_64, aarch64): build or fetch it for the node's (`constraint`)"),
    Rule("image-mount", Kind.IMAGE, ("mounting image", "squashfuse", "mount squashfs"),
         r"while mounting image|squashfuse\w* exited|failed to mount squashfs",
         "the node can't read the image: is it whole, and does the node have squashfuse? A folder (--sandbox) needs none"),
    Rule("user-namespaces", Kind.IMAGE, ("create user namespace",), r"[Ff]ailed to create user namespace",
         "users may not start containers on the node: ask your admins, or another runtime (containers.runtime in the profile)"),
    Rule("pyxis-start", Kind.IMAGE, ("couldn't start container", "container start failed"),
         r"pyxis: (?:couldn't start container|container start failed)[\s\S]*?(?=pyxis: {3,}|\Z)(?:pyxis: +(\S.*))?",
         "the image could not be started: {0}", vague=True),
    Rule("no-pyxis", Kind.IMAGE, ("--container-image",), r"unrecognized option '--container-image",
         "this Slurm has no pyxis: containers.runtime in the site's profile names something else"),
    Rule("old-pyxis", Kind.IMAGE, ("--container-env",), r"unrecognized option '--container-env",
         "this Slurm's pyxis is older than 0.15: ask for a newer one"),
    Rule("command-missing", Kind.COMMAND, ("execve(): ",), r"execve\(\): (\S+): No such file",
         f"the node, or the image, has no {{0}}: {OTHER_PYTHON}"),
    Rule("mpirun-command", Kind.COMMAND, ("mpirun was unable to launch",),
         r"mpirun was unable to launch the specified application as it could not [\s\S]{0,200}?Executable: (\S+)",
         f"the node has no {{0}}: {OTHER_PYTHON}"),
    Rule("not-executable", Kind.COMMAND, ("execve(): ",), r"execve\(\): (\S+): Permission denied",
         "{0} may not be run: 'chmod +x' it, or put it where the file system is not mounted noexec"),
    Rule("other-machine", Kind.COMMAND, ("cannot execute binary file", "Exec format error"),
         r"cannot execute binary file|Exec format error",
         "the program is for another kind of machine, or is no program: use the node's kind (x86_64, aarch64; `constraint`)"),
    Rule("bad-interpreter", Kind.COMMAND, ("bad interpreter: ",), r"(\S+): bad interpreter: ",
         "{0} is gone: an environment that was moved or renamed has to be built again"),
)  # fmt: skip
