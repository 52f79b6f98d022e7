# Only so that mypy looks into this folder.
from recbole.config.configurator import Config as Config
