"""What a data scientist's machine does: run a flow, deploy it, trigger it, and read back what happened."""
