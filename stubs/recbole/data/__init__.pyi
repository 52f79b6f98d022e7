# Only so that mypy looks into this folder.
from recbole.data.utils import *
