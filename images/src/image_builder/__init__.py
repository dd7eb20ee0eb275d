"""Builds the container images of a table, with a registry of base images or without one, and hands them on.

Three ideas carry it. An image's tag is the hash of all that goes into it, so a tag that exists is never built again.
All that needs a network is done here on the host: Python packages, Go programs, Debian packages. A Dockerfile then
only copies, and is the same in both worlds. And whatever holds the images (Docker or podman) or takes them (kind,
minikube, a registry, an archive) stands behind one small interface.
"""
