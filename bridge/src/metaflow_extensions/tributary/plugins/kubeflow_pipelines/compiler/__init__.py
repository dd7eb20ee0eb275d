"""A Metaflow flow becomes a pipeline spec: read -> ir -> checks -> structure -> wiring -> emit."""
