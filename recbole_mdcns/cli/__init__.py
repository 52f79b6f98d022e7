"""The command ``recbole-mdcns``: a parser, one module per subcommand, and the frame that all of them share."""
