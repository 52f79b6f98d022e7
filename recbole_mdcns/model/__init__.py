"""Models by name or import path, and the way training looks at them."""
