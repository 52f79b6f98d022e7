"""Functions that run as if they stood in our package or in RecBole's, to plant a bug there."""


def ours(code, module="recbole_mdcns.planted", **names):
    """Return a function of any arguments that runs a line of code in a module of ours."""
    space = {"__name__": module, **names}
    exec(f"def planted(*_, **__):\n    {code}\n", space)
    return space["planted"]


def recboles(code, **names):
    """Return a function of any arguments that runs a line of code in a module of RecBole's."""
    return ours(code, module="recbole.planted", **names)
