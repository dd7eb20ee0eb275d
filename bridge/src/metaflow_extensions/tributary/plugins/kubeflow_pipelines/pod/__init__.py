"""What runs inside a step's container. Standard library and metaflow only: it travels with every code package."""
