# Only so that mypy looks into this folder.
__version__: str
