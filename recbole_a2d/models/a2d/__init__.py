"""What A2D-MTL is put together from: its switches, its parts, its answers."""
