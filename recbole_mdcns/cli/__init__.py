"""The command ``recbole-mdcns``: a parser, a file for each command, and what all commands do around their work."""
