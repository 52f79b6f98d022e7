"""The models that a run can train, and those that it refuses."""

from __future__ import annotations

from recbole_mdcns.model.registry import model_names

#: They read features of items or rank no whole catalogue: what they need that users and histories do not give.
REFUSED = {
    "DIN": "no full_sort_predict", "DIEN": "no full_sort_predict", "FDSA": "'class'", "GRU4RecF": "'class'",
    "SASRecF": "'class'", "S3Rec": "class", "GRU4RecKG": r"tiny.ent", "KSR": r"tiny.ent",
}  # fmt: skip
SUPPORTED = [name for name in model_names() if name not in REFUSED]
