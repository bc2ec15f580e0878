"""SerialEM's Python side: the process of a script and the module `serialem` in it."""
