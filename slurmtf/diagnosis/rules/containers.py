"""Messages about containers, and about programs that they or the shell can't start."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

OTHER_PYTHON = "set `environment_definition.python` to one that it has, 3.6 or later"

CONTAINERS: tuple[Rule, ...] = (
    Rule("runtime-missing", Kind.MODULE, ("execve(): ", "directory: '"),
         r"(?:execve\(\): |directory: ')(apptainer|singularity|podman-hpc|shifter)",
         "{0} is not on the node: load the module that brings it (`environment_definition.modules`, or containers.modules in "
         "the site's profile)"),
    Rule("not-in-image", Kind.COMMAND, ("not found in $PATH", "FATAL: "),
         r"executable file .*not found in \$PATH|FATAL: +stat \S+: no such file",
         f"the image has no such program: {OTHER_PYTHON}, or use another image"),
    Rule("image-format", Kind.IMAGE, ("Invalid image format", "format not recognized", "bad superblock"),
         r"Invalid image format: |image format not recognized|bad superblock for \w+ image",
         "pyxis starts squashfs files, Apptainer SIF files, and this one is neither or was cut: 'enroot import' and 'apptainer "
         "pull' create them of an image in a registry"),
    Rule("image-missing", Kind.IMAGE, ("could not open image", "[ERROR] No such file", "find image", "to find ",
         "to lookup "),
         r"(?:could not open image|\[ERROR\] No such file or directory:|ch-run\S* error: can't find image:?) ([^\s:]+)|"
         r"FAILED to find (?:requested|any) image|[Ff]ailed to (?:find|lookup) image",
         "the node does not have the image {0}: put it where all nodes see it, or have the runtime fetch it "
         "first (shifterimg pull)"),
    Rule("bind-missing", Kind.IMAGE, ("mount source ", "failed to mount: ", "source not found", "Invalid Volume Map"),
         r"(?:mount source |failed to mount: )(\S+) (?:doesn't exist|at .*No such file)|"
         r"can't bind: source not found: (\S+)|Invalid Volume Map",
         "the node has no {0}{1}, which the container should see (containers.binds in the profile)"),
    Rule("image-fetch", Kind.IMAGE, ("failed to import docker image", "Unable to handle ", "image from oci registry", "docker://",
         "error code: ", "manifest unknown", "toomanyrequests", "pull access denied"),
         r"failed to import docker image|Unable to handle (?:docker|oras|library|shub)://|While making image from oci registry|"
         r"initializing source docker://|\[ERROR\] URL \S+ returned error code: \d+|manifest unknown|toomanyrequests|"
         r"pull access denied",
         "the node could not fetch the image: is the name right, does the node reach the registry, and is a login that it "
         "needs there (enroot: ~/.config/enroot/.credentials)? Better fetch it on the login node, into a file"),
    Rule("image-machine", Kind.IMAGE, ("exec format error",), r"exec format error",
         "the image is for another kind of machine (x86_64, aarch64): build or fetch it for the node's (`constraint`)"),
    Rule("image-mount", Kind.IMAGE, ("mounting image", "squashfuse", "mount squashfs", "mount SquashFS"),
         r"while mounting image|squashfuse\w* exited|failed to mount squashfs|can't mount SquashFS",
         "the node can't read the image: is it whole, and does the node have squashfuse? A folder (--sandbox) needs none"),
    Rule("image-extract", Kind.IMAGE, ("while extracting ",), r"FATAL: +while extracting \S+: (.+)",
         "the image could not be unpacked on the node ({0}): a folder (apptainer build --sandbox) needs no "
         "unpacking, nor does a node with squashfuse",
         vague=True),
    Rule("runtime-gave-up", Kind.IMAGE, ("ERROR  : ", "ABORT  : ", "FATAL:   "),
         r"(?m)^(?:(?:ERROR|ABORT)  : (?!Retval)|FATAL:   )(.+)",
         "the container's runtime could not start on the node ({0}): ask your admins whether it is set up there, or use "
         "another one (containers.runtime in the profile)", vague=True),
    Rule("user-namespaces", Kind.IMAGE, ("create user namespace", "user+mount namespaces", "user namespace mappings",
         "/max_user_namespaces", "no mapping entry"),
         r"[Ff]ailed to create user namespace|can't init user\+mount namespaces|waiting event for user namespace mappings|"
         r"/max_user_namespaces|no mapping entry",
         "users may not start containers on the node: ask your admins, or another runtime (containers.runtime in the profile)"),
    Rule("pyxis-start", Kind.IMAGE, ("couldn't start container", "container start failed"),
         r"pyxis: (?:couldn't start container|container start failed)[\s\S]*?(?=pyxis: {3,}|\Z)(?:pyxis: +(\S.*))?",
         "the image could not be started: {0}", vague=True),
    Rule("no-pyxis", Kind.IMAGE, ("--container-image",), r"unrecognized option '--container-image",
         "this Slurm has no pyxis: containers.runtime in the site's profile names something else"),
    Rule("old-pyxis", Kind.IMAGE, ("--container-env",), r"unrecognized option '--container-env",
         "this Slurm's pyxis is older than 0.15: ask for a newer one"),
    Rule("command-missing", Kind.COMMAND, ("execve(",), r"execve\(2?\): (\S+): No such file",
         f"the node, or the image, has no {{0}}: {OTHER_PYTHON}"),
    Rule("task-command", Kind.COMMAND, ("slurmtf: can't start ",), r"(?m)^slurmtf: can't start (.+): ([^:\n]+)$",
         f"the node could not run {{0}} ({{1}}): is it there, on the node as well, and may it be run? Else {OTHER_PYTHON}"),
    Rule("mpirun-command", Kind.COMMAND, ("mpirun was unable to ",),
         r"mpirun was unable to (?:launch the specified application as it could not|find the specified executable) "
         r"[\s\S]{0,200}?Executable: (\S+)",
         f"the node has no {{0}}: {OTHER_PYTHON}"),
    Rule("not-executable", Kind.COMMAND, ("execve(",), r"execve\(2?\): (\S+): Permission denied",
         "{0} is not executable: 'chmod +x' it, or put it on a file system that is not mounted noexec"),
    Rule("other-machine", Kind.COMMAND, ("cannot execute binary file", "Exec format error"),
         r"cannot execute binary file|Exec format error",
         "the program is for another kind of machine, or not a program: use the node's kind (x86_64, aarch64; `constraint`)"),
    Rule("bad-interpreter", Kind.COMMAND, ("bad interpreter: ",), r"(?<!\S)(\S+): bad interpreter: ",
         "{0} is gone: an environment that was moved or renamed must be built again"),
)  # fmt: skip
