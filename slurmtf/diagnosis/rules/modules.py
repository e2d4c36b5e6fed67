"""Messages about modules and conda."""

from __future__ import annotations

from slurmtf.diagnosis.kinds import Kind
from slurmtf.diagnosis.rules.rule import Rule

MODULES: tuple[Rule, ...] = (
    Rule("module-conflict", Kind.MODULE, ("Cannot load module",),
         r"Cannot load module \"(.+?)\" because these module\(s\) are loaded",
         "the module {0} excludes one that is loaded: leave one of them out (`environment_definition.modules`)"),
    Rule("module-needs", Kind.MODULE, ("cannot be loaded due to", "depends on one of", "conflicts with the currently",
         "Load of requirement"),
         r"(?<!\S)(\S+) cannot be loaded due to (?:a )?(?:missing prereq|conflict)|"
         r"[Mm]odule '?([^\s']+)'? (?:depends on one of|conflicts with the currently loaded)|"
         r"Load of requirement '?([^\s']+)'? failed",
         "the module {0}{1}{2} needs another one, or excludes one that is loaded, which is named beside it: name what it needs "
         "before it, and leave out what it excludes (`environment_definition.modules`)"),
    Rule("module-hidden", Kind.MODULE, ("cannot be loaded as requested",), r"cannot be loaded as requested: \"(.+?)\"",
         "'module spider {0}' shows which modules must be loaded before it: name them too (`environment_definition.modules`)"),
    Rule("no-modules", Kind.MODULE, ("module: ", "ml: ", "No such file", "no such file", "not found"),
         r"(?m)(?:^|: )m(?:odule|l): (?:[Cc]ommand )?not found|"
         r"/(?:lmod|modulecmd(?:\.tcl)?|(?:lmod|modules?)/init/\w+|(?:z\d+_)?(?:lmod|modules)\.sh)'?: "
         r"(?:[Nn]o such file|not found)",
         "the batch shell has no 'module' command, or the node has none: set modules.init in the site's profile to the file "
         "that defines 'module'"),
    Rule("module-unknown", Kind.MODULE, ("are unknown",), r"following module\(s\) are unknown: \"(.+?)\"",
         "there is no module {0} here: 'module spider {0}' shows what there is; set `environment_definition.modules`"),
    Rule("module-tcl", Kind.MODULE, ("Unable to locate a modulefile",), r"Unable to locate a modulefile for '([^']+)'",
         "there is no module {0} here: 'module avail' shows what there is; set `environment_definition.modules`"),
    Rule("module-file", Kind.MODULE, ("#%Module", "Module ERROR: ", "is denied", "):ERROR:"),
         r"Magic cookie '#%Module' missing in '([^']+)'|Module ERROR: (.+)|Access to module '?([^\s']+)'? is denied|"
         r"\(\d+\):ERROR:\d+: (.+)",
         "the module can't be read, or fails: {0}{1}{2}{3}; another version of it may do (`environment_definition.modules`)"),
    Rule("lmod", Kind.MODULE, ("Lmod has detected the following error",), r"Lmod has detected the following error: +(.+)",
         "'module spider' shows which modules work together: set `environment_definition.modules`. Lmod says: {0}"),
    Rule("conda-init", Kind.MODULE, ("conda activate",), r"shell has not been properly configured to use 'conda activate'",
         "leave 'conda activate' out of prologue and script: it is activated for you (`environment_definition.conda`)"),
)  # fmt: skip
