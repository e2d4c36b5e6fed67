"""Errors of Python and its packages, tried after all other rules."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

PYTHON: tuple[Rule, ...] = (
    Rule("import", Kind.IMPORT, ("No module named",),
         r"(?m)(?:ModuleNotFoundError|ImportError|python[\d.]*|^\w+): No module named '?([\w.]+)",
         "install {0} in the job's Python, or use another one (`environment_definition.python`)", vague=True),
    Rule("import-optional", Kind.IMPORT, ("ImportError: ", "No package metadata was found", "DistributionNotFound"),
         r"ImportError: (?:.*\b(?:(?:[Pp]lease|pip|conda|need to|must) install|not installed|to be installed|tried using: "
         r"|optional dependency|[Cc]ould not import (?!name\b)).*)|"
         r"(?:No package metadata was found for|DistributionNotFound: The) \S+.*",
         "a package that another one needs is missing: install it in the job's Python (`pip_packages`)"),
    Rule("mpi-call", Kind.SCRIPT, ("MPI_ERR_",),
         r"MPI_ERR_(?:TRUNCATE|BUFFER|COUNT|TYPE|TAG|RANK|ROOT|OP|ARG|DIMS|GROUP|COMM)\b.*",
         "the script calls MPI with invalid arguments: buffers, counts, ranks or communicators"),
    Rule("library-check", Kind.SCRIPT, ("Check failed: ", "name already exists", "PytorchStreamReader"),
         r"(?m)^[\w.]+(?:Error|Exception): .*(?:Check failed: |\(name already exists\)|PytorchStreamReader failed).*",
         "a library rejects what the script passes to it, or its data"),
    Rule("tensors", Kind.SCRIPT, ("RuntimeError: ",),
         r"RuntimeError: .*(?:size mismatch|shapes cannot be multiplied|must match the size|same device|loading state_dict|"
         r"expected scalar type|should be the same|to be equal size|[Ss]izes of tensors must match|[Ee]xpected target size|"
         r"is invalid for input of size|to have \d+ channels|not implemented for '|does not require grad|inplace operation|"
         r"through the graph a second time)",
         "the shapes or types of the script's tensors, or of its checkpoint, do not match"),
    Rule("interpreter", Kind.SCRIPT, ("during iteration", "raised StopIteration", "new process before",
         "running event loop", "event loop is already", "no current event loop",
         "super(): ", "is not in main", "schedule new futures after"),
         r"RuntimeError: (?:\S{1,20} (?:keys )?changed (?:size )?during iteration|generator raised StopIteration|super\(\): |"
         r"asyncio\.run\(\) cannot be called from a running event loop|This event loop is already|"
         r"There is no current event loop|main thread is not in main|cannot schedule new futures after)|"
         r"An attempt has been made to start a new process before the",
         "Python does not allow that: the line shown is in the script, or in what it calls"),
    Rule("no-script", Kind.SCRIPT, ("can't open file",), r"(?m)^\S*python[\d.]*: can't open file '?(.+?)'?: \[Errno 2\]",
         "there is no {0} where the command ran: look at the folder and at the spelling"),
    Rule("shell-script", Kind.SCRIPT, ("yntax error", "unexpected EOF", "unbound variable"),
         r"(?m)^[^\s:]+: (?:line )?\d+: (?:[Ss]yntax error\b.*|unexpected EOF while.*|\S{1,80}: unbound variable)$",
         "the shell script is not right at that line"),
    Rule("arguments", Kind.SCRIPT, ("error: ", "Error: ", "Flags parsing error"),
         r"(?m)^\S+: error: ((?:unrecognized arguments|the following arguments are required|argument \S+|ambiguous option): .*)"
         r"|^Error: ((?:No such option|Missing (?:option|argument)|Invalid value for|Got unexpected extra argument).*)"
         r"|^FATAL Flags parsing error:\s+(.*)"
         r"|^[^\s:]+\.py: error: (.*)",
         "the script does not take its arguments (`script_params`): {0}{1}{2}{3}"),
    Rule("diverged", Kind.DIVERGED, ("CheckNumerics", "Inf or NaN", "Tensor had ", "nvalid loss", "NaN loss", "NanLoss",
         "Nan in summary", "Error: ", "returned nan values", "found invalid values", "already at minimum",
         "has diverged", "!!! Detected"),
         r"(?m)^[\w.]*Error: .*\b(?:[Ll]oss|[Gg]rad(?:ient)?s?)\b[^,;\n]{0,50}?"
         r"\b(?:nan|NaN|NAN|inf|infinite|(?:not|non)[ -]?finite|diverged|exploding)\b.*$|"
         r"^[\w.]*Error: .*\b(?:nan|Na[Nn]s?|non-?finite)\b[^,;\n]{0,50}\b(?:loss|gradients?|grad norm)\b.*$|"
         r"^FloatingPointError: invalid value \((?:nan|inf)\) encountered.*|Function '\w+' returned nan values in its|"
         r"!!! Detected (?:Infinity|NaN)|found invalid values:\s*tensor\([\[\s]*nan|loss scale already at minimum|"
         r"Training has diverged|"
         r"CheckNumerics(?!\S* defined at).*|Tensor had (?:NaN|[+-]?Inf)|Inf or NaN values|NanLossDuringTrainingError|"
         r"[Ii]nvalid loss, terminating|NaN loss during|Nan in summary",
         "not a problem of the cluster: use a lower learning rate, clip gradients, look at the data", by_script=True),
)  # fmt: skip
